"""Synthetic signals: endless 1-D series of one factor, for which true interpolations are known."""

import numpy as np

from acai_tf.config import Config
from acai_tf.data.templates import Endless, Templates

LENGTH = 64  # samples
WIDTH = 2.0  # standard deviation of a bump, samples
LOWEST, HIGHEST = 2.0, 12.0  # cycles of a tone in the signal
CLASSES = 10
TEMPLATES = 4096


def draw_pulses(angles: np.ndarray) -> np.ndarray:
    """Gaussian bumps of standard deviation 2 on a ring of 64 samples, at angles [N] in radians.

    [N, 64, 1] float64 in [-1, 1].
    """
    at = np.asarray(angles, np.float64)[:, None] / (2 * np.pi) * LENGTH
    away = (np.arange(LENGTH) - at + LENGTH / 2) % LENGTH - LENGTH / 2
    return 2 * np.exp(-(away**2) / (2 * WIDTH**2))[..., None] - 1


def draw_tones(octaves: np.ndarray) -> np.ndarray:
    """Sines under a Hann window, of 2^octave times 2 cycles in 64 samples; octaves [N].

    [N, 64, 1] float64 in [-1, 1].
    """
    t = (np.arange(LENGTH) + 0.5) / LENGTH
    cycles = LOWEST * 2 ** np.asarray(octaves, np.float64)[:, None]
    return (np.sin(2 * np.pi * cycles * (t - 0.5)) * np.sin(np.pi * t) ** 2)[..., None]


def _tenth(end: float):
    """A function from values of a factor in [0, end] to their tenth of it, 0..9."""
    return lambda factor: np.minimum(CLASSES * factor / end, CLASSES - 1).astype(np.int64)


RING = np.linspace(0, 2 * np.pi, TEMPLATES, endpoint=False)
OCTAVES = np.linspace(0, np.log2(HIGHEST / LOWEST), TEMPLATES)
PULSES = Templates("pulse", RING, draw_pulses, _tenth(2 * np.pi))
TONES = Templates("tone", OCTAVES, draw_tones, _tenth(OCTAVES[-1]), None, "moved by, octaves", 1)


def _load(name: str, templates: Templates) -> Endless:
    tenths = tuple(f"tenth {tenth + 1}" for tenth in range(CLASSES))
    what = f"signals of {LENGTH} samples"
    return Endless(name, (LENGTH, 1), tenths, *templates.test_set(), what, templates)


def pulses(config: Config) -> Endless:
    """A bump at a random angle on a ring."""
    del config
    return _load("pulses", PULSES)


def tones(config: Config) -> Endless:
    """A windowed sine of random log-frequency: its factor is an interval, not a ring."""
    del config
    return _load("tones", TONES)
