"""Random numbers as a function of (seed, step).

A resumed run draws at step n what the uninterrupted run drew at step n: there is no random
state to save.
"""

import random

import keras
import numpy as np
from keras import ops

_PRIME = 2**31 - 1


def seed_weights(seed: int) -> None:
    """Seed the initial weights of models built from now on.

    As `keras.utils.set_random_seed`, but it does not import TensorFlow on other backends.
    """
    random.seed(seed)  # Keras' initializers take their seeds from here
    np.random.seed(seed)


class StepSeed(keras.random.SeedGenerator):
    """A seed generator for `keras.random` that depends on (seed, step) alone.

    The n-th numbers drawn from a StepSeed differ from all others it gives, and are the same for
    every StepSeed of the same (seed, step). No two pairs collide for seeds below 2**32 - 2 if
    the steps are equal or below 2**32, nor for equal seeds at different steps.

    Args:
        seed: the run's seed, an integer in [0, 2**32).
        step: training steps taken so far; an int, or an integer tensor.
    """

    def __init__(self, seed: int, step):  # without super(), which would create a variable
        self._seed = seed
        self.step = step
        self._drawn = 0

    def next(self, ordered: bool = True):
        # Odd multipliers map (seed, number of the draw) to 31 bits without collisions of neighbors.
        key = (self._seed * 1_000_003 + self._drawn * 7_919) % _PRIME
        # Only seeds above 2**31 and steps above 2**32 change the rest: all bits of both count.
        key ^= self._seed // _PRIME * 0x9E3779B1 % 2**32
        self._drawn += 1
        low, high = _halves(self.step)
        key = (key + high * 0x85EBCA77) % 2**32
        return ops.stack([_uint32(key), _uint32(low)])


def _halves(step) -> tuple:
    """The low 32 bits of a step, and the bits above them."""
    if hasattr(step, "dtype") and keras.backend.standardize_dtype(step.dtype) != "int64":
        return step, 0  # JAX counts in int32
    step = ops.cast(step, "int64") if hasattr(step, "dtype") else step
    return step % 2**32, step // 2**32


def _uint32(value):
    return np.uint32(value) if isinstance(value, int) else ops.cast(value, "uint32")
