"""Carousel: synthetic sentences on a ring, for which true interpolations are known."""

import numpy as np

from acai_tf.config import Config
from acai_tf.data.templates import Endless, Templates
from acai_tf.data.vocabulary import Vocabulary

WORDS = ("red", "orange", "yellow", "green", "blue", "violet", "white", "black")
SLOTS = 16  # words of a sentence
SENTENCES = SLOTS * len(WORDS)
CLASSES = 8


def draw(places: np.ndarray) -> np.ndarray:
    """Sentences at places on the ring, [N] in [0, 128) -> words [N, 16] int32.

    Slot j of sentence s shows word floor((s + 15 - j) / 16) mod 8, so that from one place to the
    next a single slot changes.
    """
    places = np.floor(places).astype(np.int64)[:, None]
    return ((places + SLOTS - 1 - np.arange(SLOTS)) // SLOTS % len(WORDS)).astype(np.int32)


class Sentences(Templates):
    """Templates whose distance is the share of slots that differ."""

    def nearest(self, elements):
        """As `Templates.nearest`; words [..., 16] -> Hamming distances / 16, places [...]."""
        sentences, places = self.draw(self.factor), self.factor
        different = np.stack([np.mean(elements != one, axis=-1) for one in sentences], axis=-1)
        index = np.argmin(different, axis=-1)
        return np.take_along_axis(different, index[..., None], -1)[..., 0], places[index]


class SideBySide(Sentences):
    """Two sentences side by side: 16,384 pairs, too many to memorize."""

    def nearest(self, elements):
        """As `Sentences.nearest`; each half is a sentence, words [N, ..., 32] -> [2 N, ...]."""
        return super().nearest(np.concatenate(np.split(elements, 2, axis=-1)))

    def random(self, count, seed, step):
        first, second = self.random_factor(2 * count, seed, step).reshape(2, count)
        return np.concatenate([self.draw(first), self.draw(second)], axis=1), self.label(first)


RING = np.arange(SENTENCES, dtype=np.float64)
_RING = {
    "name": "sentence",
    "factor": RING,
    "draw": draw,
    "label": lambda places: (places * CLASSES / SENTENCES).astype(np.int64),
    "period": SENTENCES,
    "axis": "moved by, places",
    "scale": 1,
}
CAROUSEL, TWO = Sentences(**_RING), SideBySide(**_RING)


def _load(name: str, templates: Templates) -> Endless:
    sentences, labels = templates.test_set()
    eighths = tuple(f"eighth {eighth + 1}" for eighth in range(CLASSES))
    shape = sentences.shape[1:]
    own = {"what": f"sentences of {shape[0]} words", "vocabulary": Vocabulary(WORDS, words=True)}
    return Endless(name, shape, eighths, sentences, labels, templates=templates, **own)


def one(config: Config) -> Endless:
    """Sentences at random places of the ring; each is one of 128."""
    del config
    return _load("carousel", CAROUSEL)


def two(config: Config) -> Endless:
    """Two such sentences side by side, each at a place of its own; a class is the first's."""
    del config
    return _load("carousels", TWO)
