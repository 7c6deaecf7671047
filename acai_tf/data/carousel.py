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


RING = np.arange(SENTENCES, dtype=np.float64)
CAROUSEL = Sentences(
    "sentence",
    RING,
    draw,
    lambda places: (places * CLASSES / SENTENCES).astype(np.int64),
    period=SENTENCES,
    axis="moved by, places",
    scale=1,
)


def load(config: Config) -> Endless:
    """Sentences at random places of the ring; each is one of 128."""
    del config
    names = tuple(f"eighth {eighth + 1}" for eighth in range(CLASSES))
    vocabulary = Vocabulary(WORDS, words=True)
    what = f"sentences of {SLOTS} words"
    return Endless(
        "carousel", (SLOTS,), names, *CAROUSEL.test_set(), what, CAROUSEL, vocabulary=vocabulary
    )
