"""What a dataset is: a specification, endless training batches, and a test set."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from acai_tf.errors import UsageError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Base of all datasets.

    Attributes:
        name: as registered.
        image_shape: (height, width, colors).
        classes: number of classes.
        test_images: [M, H, W, C], uint8, or float32 in [-1, 1].
        test_labels: whole numbers [M].
    """

    name: str
    image_shape: tuple[int, int, int]
    classes: int
    test_images: np.ndarray
    test_labels: np.ndarray

    def check_batch(self, batch: int) -> None:
        """Raises UsageError where a batch would hold more images than there are."""

    def batches(self, batch: int, seed: int, first_step: int = 0) -> Iterator[dict]:
        """Endless training batches {"image": [B, H, W, C], "label": [B]}.

        The batch of step n depends on (seed, n) alone, so that a run resumed at
        `first_step` sees what the unbroken run would have seen.
        """
        raise NotImplementedError

    def train_once(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `limit` training images and labels, in a fixed order, for evaluation."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ArrayDataset(Dataset):
    """A dataset held in memory.

    Attributes:
        train_images: [N, H, W, C] uint8.
        train_labels: whole numbers [N].
    """

    train_images: np.ndarray
    train_labels: np.ndarray

    def check_batch(self, batch):
        if batch > len(self.train_images):
            raise UsageError(
                f"--batch={batch} is larger than the {len(self.train_images)} training images"
                f" of {self.name}"
            )

    def batches(self, batch, seed, first_step=0):
        """Each epoch is a fresh permutation; a batch may reach over into the next epoch."""
        count = len(self.train_images)
        position = first_step * batch
        epoch, offset = divmod(position, count)
        order = _permutation(seed, epoch, count)
        while True:
            chosen = order[offset : offset + batch]
            offset += batch
            if offset >= count:
                epoch, offset = epoch + 1, offset - count
                order = _permutation(seed, epoch, count)
                chosen = np.concatenate([chosen, order[:offset]])
            yield {"image": self.train_images[chosen], "label": self.train_labels[chosen]}

    def train_once(self, limit):
        return self.train_images[:limit], self.train_labels[:limit]


def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
