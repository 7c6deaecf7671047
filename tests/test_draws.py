"""Draws are functions of (seed, step) and of nothing else."""

import keras
import numpy as np

from acai_tf.draws import StepSeed


def uniform(seed, step, count=1000):
    return np.asarray(keras.random.uniform((count,), seed=StepSeed(seed, step)))


def test_the_same_seed_and_step_draw_the_same():
    first = uniform(3, 5)
    keras.random.normal((7,))  # moves Keras' global state
    np.testing.assert_array_equal(uniform(3, 5), first)


def test_another_step_seed_or_draw_is_another():
    assert not np.array_equal(uniform(3, 5), uniform(3, 6))
    assert not np.array_equal(uniform(3, 5), uniform(4, 5))
    seed = StepSeed(3, 5)
    first, second = (np.asarray(keras.random.uniform((9,), seed=seed)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_neighbouring_steps_and_seeds_are_uncorrelated():
    draws = np.stack([uniform(seed, step) for seed in range(4) for step in range(8)])
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.15  # 1000 draws: standard error 0.03
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(draws.var() - 1 / 12) < 0.005
