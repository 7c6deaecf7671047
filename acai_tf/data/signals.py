"""Synthetic signals: endless 1-D series of one factor, for which true interpolations are known."""

from dataclasses import dataclass

import numpy as np

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.data.templates import Templates

LENGTH = 64  # samples
WIDTH = 2.0  # standard deviation of a bump, samples
LOWEST, HIGHEST = 2.0, 12.0  # cycles of a tone in the signal
CLASSES = 10
TEST_SIGNALS = 5000
TEMPLATES = 4096
_TEST_STREAM = 2**32 - 1  # a step that no training run reaches


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


RING = np.linspace(0, 2 * np.pi, TEMPLATES, endpoint=False)
OCTAVES = np.linspace(0, np.log2(HIGHEST / LOWEST), TEMPLATES)
PULSES = Templates("pulse", RING, draw_pulses)
TONES = Templates("tone", OCTAVES, draw_tones, period=None)


@dataclass(frozen=True, eq=False, repr=False)
class Signals(Dataset):
    """Endless signals, their factor uniformly random between the templates' ends.

    Attributes:
        templates: of the factor.
    """

    templates: Templates

    def describe(self):
        return (
            f"{self.name}: endless signals of {LENGTH} samples, {CLASSES} classes, drawn on the fly"
        )

    def batch_at(self, step, batch, seed):
        signals, labels = _random(self.templates, batch, seed, step)
        return {"image": signals, "label": labels}

    def train_once(self, limit):
        return _random(self.templates, limit, 0, _TEST_STREAM - 1)


def _random(templates: Templates, count: int, seed: int, step: int):
    share = np.random.default_rng([seed, step]).random(count)
    end = templates.period or templates.factor[-1]
    signals = templates.draw(share * end).astype(np.float32)
    return signals, (CLASSES * share).astype(np.int64)


def _load(name: str, templates: Templates) -> Signals:
    signals, labels = _random(templates, TEST_SIGNALS, 0, _TEST_STREAM)
    tenths = tuple(f"tenth {tenth + 1}" for tenth in range(CLASSES))
    return Signals(name, (LENGTH, 1), tenths, signals, labels, templates)


def pulses(config: Config) -> Signals:
    """A bump at a random angle on a ring."""
    del config
    return _load("pulses", PULSES)


def tones(config: Config) -> Signals:
    """A windowed sine of random log-frequency: its factor is an interval, not a ring."""
    del config
    return _load("tones", TONES)
