"""Templates: all elements of one factor, which say what a correct interpolation is; and endless
datasets of such elements."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from acai_tf.data.dataset import Dataset
from acai_tf.data.vocabulary import Vocabulary

TEST_ELEMENTS = 5000
TIE = 1e-12
PART = 512  # elements compared at a time
_TEST_STREAM = 2**32 - 1  # a step that no training run reaches


@dataclass(frozen=True)
class Templates:
    """Elements drawn from one factor of variation: an angle, a frequency.

    Attributes:
        name: of one, which the scores' names begin with.
        factor: its values in order, [K].
        draw: values [K] -> elements [K, ...], tokens or in float64: neighbors differ by less than
            float32 resolves.
        label: values [N] -> classes, integers [N].
        period: after which the factor repeats; None: it does not.
        axis, scale: of figures: what a change of the factor is called, and its unit.
    """

    name: str
    factor: np.ndarray
    draw: Callable[[np.ndarray], np.ndarray]
    label: Callable[[np.ndarray], np.ndarray]
    period: float | None = 2 * np.pi
    axis: str = "turned by, degrees"
    scale: float = 180 / np.pi

    @functools.cached_property
    def unit(self) -> np.ndarray:
        """The templates, flat and scaled to unit length, [K, size]."""
        flat = self.draw(self.factor).reshape(len(self.factor), -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def nearest(self, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine distance of each element to the nearest template, and that template's factor.

        Elements [..., *shape] -> distances [...] in 0..2 (NaN if all values are 0), factors [...].
        """
        count = self.unit.shape[1]
        flat = elements.reshape(-1, count)
        distances, nearest = [], []
        for part in np.array_split(flat, max(1, len(flat) // PART)):
            part = part.astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                part /= np.linalg.norm(part, axis=1, keepdims=True)
            cosine = part @ self.unit.T
            # Mirror images tie up to rounding, so the smallest factor is taken.
            index = np.argmax(cosine >= cosine.max(axis=1, keepdims=True) - TIE, axis=1)
            distances.append(1 - cosine[np.arange(len(part)), index])
            nearest.append(self.factor[index])
        shape = elements.shape[: elements.ndim - len(self.shape)]
        return np.concatenate(distances).reshape(shape), np.concatenate(nearest).reshape(shape)

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of an element."""
        return self.draw(self.factor[:1]).shape[1:]

    def unwrapped(self, factor: np.ndarray) -> np.ndarray:
        """Factors along the last axis without jumps of a period."""
        return factor if self.period is None else np.unwrap(factor, period=self.period)

    def random_factor(self, count: int, seed: int, step: int) -> np.ndarray:
        """The values of a step's elements, [count], uniformly random."""
        end = self.period or self.factor[-1]
        return np.random.default_rng([seed, step]).uniform(0, end, count)

    def random(self, count: int, seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """A step's elements [count, *shape], float32 or tokens, and their classes [count]."""
        factor = self.random_factor(count, seed, step)
        elements = self.draw(factor)
        if np.issubdtype(elements.dtype, np.floating):
            elements = elements.astype(np.float32)
        return elements, self.label(factor)

    def test_set(self) -> tuple[np.ndarray, np.ndarray]:
        """5,000 elements and their classes, the same in every run."""
        return self.random(TEST_ELEMENTS, 0, _TEST_STREAM)


@dataclass(frozen=True, eq=False, repr=False)
class Endless(Dataset):
    """Endless training elements, drawn on the fly.

    Attributes:
        what: what the elements are, for `describe`.
        templates: what they are drawn from.
    """

    what: str
    templates: Templates
    vocabulary: Vocabulary | None = None

    def describe(self):
        return f"{self.name}: endless {self.what}, {self.classes} classes, drawn on the fly"

    def batch_at(self, step, batch, seed):
        elements, labels = self.templates.random(batch, seed, step)
        return {"image": elements, "label": labels}

    def train_once(self, limit):
        return self.templates.random(limit, 0, _TEST_STREAM - 1)
