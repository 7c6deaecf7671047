"""Random draws as a function of (seed, step).

A run that was interrupted draws at step n what the unbroken run drew at step n,
because nothing about the draws is state that could be lost.
"""

import random

import keras
import numpy as np
from keras import ops

_PRIME = 2**31 - 1


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
        seed: the run's seed, a whole number from 0 on.
        step: training steps taken so far, from 0 on; a number, or a tensor of any whole type.

    The n-th draw from one StepSeed differs from the others, and repeats whenever
    a StepSeed with the same (seed, step) is asked again. All bits of both count. The n-th draws of
    two StepSeeds never agree where the steps differ and the seeds are equal, or the seeds differ,
    are below 2**32 - 2, and the steps are equal or below 2**32.
    """

    def __init__(self, seed: int, step):  # the base class would make a variable here
        self._seed = seed
        self.step = step
        self._drawn = 0

    def next(self, ordered: bool = True):
        # An odd multiplier spreads (seed, draw) over 31 bits without collisions of neighbours.
        key = (self._seed * 1_000_003 + self._drawn * 7_919) % _PRIME
        # The high bits of seed and step change nothing where they are 0. The seed's factor is
        # above 2**31: the second 2**31 seeds get keys that the first ones leave free.
        key ^= self._seed // _PRIME * 0x9E3779B1 % 2**32
        self._drawn += 1
        low, high = _halves(self.step)
        key = (key + high * 0x85EBCA77) % 2**32
        return ops.stack([_word(key), _word(low)])


def _halves(step) -> tuple:
    """The low 32 bits of a step, and those above them."""
    if hasattr(step, "dtype") and keras.backend.standardize_dtype(step.dtype) != "int64":
        return step, 0  # JAX counts in int32
    step = ops.cast(step, "int64") if hasattr(step, "dtype") else step
    return step % 2**32, step // 2**32


def _word(value):
    return np.uint32(value) if isinstance(value, int) else ops.cast(value, "uint32")
