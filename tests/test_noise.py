"""Random numbers are functions of (seed, step) alone."""

import keras
import numpy as np
import pytest

from acai_tf.models.noise import StepSeed


def uniform(seed, step, count=1000):
    return np.asarray(keras.random.uniform((count,), seed=StepSeed(seed, step)))


def test_equal_seeds_and_steps_draw_the_same_numbers():
    first = uniform(3, 5)
    keras.random.normal((7,))  # moves Keras' global state
    np.testing.assert_array_equal(uniform(3, 5), first)


def test_other_steps_seeds_and_draws_differ():
    assert not np.array_equal(uniform(3, 5), uniform(3, 6))
    assert not np.array_equal(uniform(3, 5), uniform(4, 5))
    seed = StepSeed(3, 5)
    first, second = (np.asarray(keras.random.uniform((9,), seed=seed)) for _ in range(2))
    assert not np.array_equal(first, second)


def keys(seed, step, compiled=False, count=3):
    """The raw seeds of the first draws."""

    def make(step):
        seeds = StepSeed(seed, step)
        return [seeds.next() for _ in range(count)]

    if not compiled:
        return [np.asarray(key).tolist() for key in make(step)]
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(key).tolist() for key in jax.jit(make)(np.int32(step))]
    import tensorflow as tf

    made = tf.function(make, jit_compile=True)(tf.constant(step, tf.int64))
    return [key.numpy().tolist() for key in made]


@pytest.mark.parametrize("seed", [0, 1, 12_345, 2**31 - 2])
@pytest.mark.parametrize("step", [0, 88_134, 2**31 - 1, 2**32 - 1])
def test_small_seeds_and_steps_keep_their_numbers(seed, step):
    expected = [[(seed * 1_000_003 + n * 7_919) % (2**31 - 1), step] for n in range(3)]
    assert keys(seed, step) == expected
    if step < 2**31 or keras.backend.backend() == "tensorflow":
        assert keys(seed, step, compiled=True) == expected


def test_all_bits_of_seed_and_step_count():
    seeds = [0, 1, 2**31 - 1, 2**31, 2**32 - 3, 2**32 - 2, 2**32 - 1]
    steps = [0, 1, 2**31, 2**32 - 1]
    drawn = {(seed, step): keys(seed, step) for seed in seeds for step in steps}
    for n in range(3):
        assert len({tuple(made[n]) for made in drawn.values()}) == len(drawn)
    if keras.backend.backend() == "tensorflow":  # JAX has no steps of 64 bits
        for (seed, step), made in drawn.items():
            if seed in (0, 2**32 - 1):
                assert keys(seed, step, compiled=True) == made


def test_neighbouring_steps_and_seeds_are_uncorrelated():
    draws = np.stack([uniform(seed, step) for seed in range(4) for step in range(8)])
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.15  # 1000 draws: standard error 0.03
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(draws.var() - 1 / 12) < 0.005
