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

    The n-th numbers drawn from a StepSeed are the same for every StepSeed of the same (seed,
    step), and differ from all others drawn from it, at other steps and with other seeds.

    Args:
        seed: the run's seed, an integer in [0, 2**32 - 2).
        step: training steps taken so far; an int or an integer tensor, below 2**32.
    """

    def __init__(self, seed: int, step):  # without super(), which would create a variable
        self._seed = seed
        self.step = step
        self._drawn = 0

    def next(self, ordered: bool = True):
        # Odd multipliers map (seed, number of the draw) to 31 bits without collisions of neighbors.
        key = (self._seed * 1_000_003 + self._drawn * 7_919) % _PRIME
        # Seeds above 2**31 get keys that the others leave free.
        key ^= self._seed // _PRIME * 0x9E3779B1 % 2**32
        self._drawn += 1
        step = np.uint32(self.step) if isinstance(self.step, int) else self.step
        return ops.stack([np.uint32(key), ops.cast(step, "uint32")])
