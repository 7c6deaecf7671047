"""What a dataset is: a specification, endless training batches, and a test set."""

import functools
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from acai_tf.data.rows import Images, between
from acai_tf.errors import UsageError

SEEN = 256  # images that a fingerprint looks at


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Base of all datasets.

    Attributes:
        name: as registered.
        image_shape: (height, width, colors).
        class_names: what label 0, 1, ... means; fewer than two where there are no classes.
        test_images: [M, H, W, C], uint8, or float32 in [-1, 1]; an array, or `Rows` of a file.
        test_labels: whole numbers [M].
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    test_images: Images
    test_labels: np.ndarray

    @property
    def classes(self) -> int:
        """Number of classes that the probe tells apart; 1: there is nothing to tell."""
        return max(1, len(self.class_names))

    def describe(self) -> str:
        """One line: how many images of what size, and where they are."""
        raise NotImplementedError

    def __repr__(self):
        return f"<{self.describe()}>"

    def fingerprint(self) -> str:
        """What tells the training images from others, by looking at some of them."""
        return self.name

    def check_batch(self, batch: int) -> None:
        """Raises UsageError where a batch would hold more images than there are."""

    def batch_at(self, step: int, batch: int, seed: int) -> dict[str, np.ndarray]:
        """The training batch of a step, {"image": [B, H, W, C], "label": [B]}.

        It depends on (seed, step) alone, so that a resumed run sees what the unbroken run would
        have seen, without reading what came before.
        """
        raise NotImplementedError

    def batches(self, batch: int, seed: int, first_step: int = 0) -> Iterator[dict]:
        """Endless training batches from `first_step` on."""
        return (self.batch_at(step, batch, seed) for step in itertools.count(first_step))

    def train_once(self, limit: int) -> tuple[Images, np.ndarray]:
        """The first `limit` training images and labels, in a fixed order, for evaluation."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class ArrayDataset(Dataset):
    """A dataset in arrays, held in memory or read from files.

    Attributes:
        train_images: [N, H, W, C] uint8; an array, or `Rows` of a file.
        train_labels: whole numbers [N].
        where: where the images are, as `describe` says it.
    """

    train_images: Images
    train_labels: np.ndarray
    where: str = "in memory"

    def describe(self):
        height, width, colors = self.image_shape
        size = (self.train_images.nbytes + self.test_images.nbytes) / 1e6
        kinds = f", {len(self.class_names)} classes" if self.classes > 1 else ", no classes"
        return (
            f"{self.name}: {len(self.train_images):,} training and {len(self.test_images):,} test"
            f" images of {height}x{width}x{colors}{kinds}, {self.where} ({size:,.0f} MB)"
        )

    def fingerprint(self):
        count = len(self.train_images)
        seen = hashlib.sha256(repr((self.train_images.shape, self.classes)).encode())
        seen.update(np.ascontiguousarray(self.train_images[:: max(1, count // SEEN)]))
        seen.update(np.ascontiguousarray(self.train_labels))
        return seen.hexdigest()[:16]

    def check_batch(self, batch):
        if batch > len(self.train_images):
            raise UsageError(
                f"--batch={batch} is larger than the {len(self.train_images)} training images"
                f" of {self.name}"
            )

    def batch_at(self, step, batch, seed):
        """Each epoch is a fresh permutation; a batch may reach over into the next epoch."""
        count = len(self.train_images)
        epoch, offset = divmod(step * batch, count)
        chosen = _permutation(seed, epoch, count)[offset : offset + batch]
        if len(chosen) < batch:
            rest = _permutation(seed, epoch + 1, count)[: batch - len(chosen)]
            chosen = np.concatenate([chosen, rest])
        # `take` lets other threads run meanwhile: several batches are read at a time.
        return {"image": self.train_images.take(chosen, 0), "label": self.train_labels[chosen]}

    def train_once(self, limit):
        return between(self.train_images, 0, limit), self.train_labels[:limit]


@functools.lru_cache(maxsize=4)  # two epochs meet in a batch, and batches are drawn ahead
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
