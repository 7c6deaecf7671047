"""Random draws as a function of (seed, step).

A run that was interrupted draws at step n what the unbroken run drew at step n,
because nothing about the draws is state that could be lost.
"""

import random

import keras
import numpy as np
from keras import ops


def seed_weights(seed: int) -> None:
    """Make the initial weights of models built from here on a function of `seed`.

    This is what `keras.utils.set_random_seed` does for Keras' initialisers, less its import of
    TensorFlow on other backends.
    """
    random.seed(seed)  # where Keras' initialisers get their seeds
    np.random.seed(seed)


class StepSeed(keras.random.SeedGenerator):
    """A seed for `keras.random` that is a pure function of (seed, step).

    Args:
        seed: the run's seed.
        step: training steps taken so far; may be a tensor.

    The n-th draw from one StepSeed differs from the others, and repeats whenever
    a StepSeed with the same (seed, step) is asked again.
    """

    def __init__(self, seed: int, step):  # the base class would make a variable here
        self._seed = seed
        self._step = step
        self._drawn = 0

    def next(self, ordered: bool = True):
        # An odd multiplier spreads (seed, draw) over 31 bits without collisions of neighbours.
        key = (self._seed * 1_000_003 + self._drawn * 7_919) % (2**31 - 1)
        self._drawn += 1
        return ops.stack([ops.cast(key, "uint32"), ops.cast(self._step, "uint32")])
