"""Datasets: endless training batches and a test set."""

import functools
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.kinds import TOKENS, kind_of

SPLITS = ("train", "test")
SAMPLED = 256  # images that a fingerprint reads
MAX_CLASSES = 2**16  # a larger label is a mistake
MAX_TOKENS = 2**14  # so is a larger token


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Base class of datasets.

    Attributes:
        name: its registered name.
        image_shape: of an element: (height, width, colors) of an image, (length, channels) of a
            signal, (length,) of tokens.
        class_names: names of label 0, 1, ...; fewer than two where there are no classes.
        test_images: [M, H, W, C], uint8, or float32 in [-1, 1]; signals [M, T, C]; tokens [M, T].
        test_labels: integers [M].
        templates: all elements of one factor, where that is what the dataset consists of.
        units: of signals, (offset [C], factor [C]): what networks see is (x - offset) / factor.
        vocabulary: of tokens.
    """

    templates = None
    units = None
    vocabulary = None

    name: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def kind(self) -> str:
        """What the elements are: "images", "signals" or "tokens"."""
        return kind_of(self.image_shape, self.vocabulary)

    @property
    def classes(self) -> int:
        """Number of classes; 1 where there are none."""
        return max(1, len(self.class_names))

    def describe(self) -> str:
        """One line: number and size of the images, and where they are."""
        raise NotImplementedError

    def __repr__(self):
        return f"<{self.describe()}>"

    def fingerprint(self) -> str:
        """Identifies the training images."""
        return self.name

    def check_batch(self, batch: int) -> None:
        """Raises UsageError where `batch` is larger than the training set."""

    def batch_at(self, step: int, batch: int, seed: int) -> dict[str, np.ndarray]:
        """The training batch of a step, {"image": [B, H, W, C], "label": [B]}.

        It is a function of (seed, step), so that a resumed run gets the batches of an
        uninterrupted one.
        """
        raise NotImplementedError

    def batches(self, batch: int, seed: int, first_step: int = 0) -> Iterator[dict]:
        """Endless training batches, starting at `first_step`."""
        return (self.batch_at(step, batch, seed) for step in itertools.count(first_step))

    def train_once(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `limit` training images and labels, in a fixed order, for evaluation."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class ArrayDataset(Dataset):
    """A dataset in arrays, in memory or memory-mapped.

    Attributes:
        train_images: [N, H, W, C] uint8.
        train_labels: integers [N].
        where: where the images are, for `describe`.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    where: str = "in memory"
    units: tuple[np.ndarray, np.ndarray] | None = None
    vocabulary: Vocabulary | None = None

    def describe(self):
        size = (self.train_images.nbytes + self.test_images.nbytes) / 1e6
        kinds = f", {len(self.class_names)} classes" if self.classes > 1 else ", no classes"
        shape = "x".join(map(str, self.image_shape))
        what = f"{self.kind} of {shape}"
        if self.kind == TOKENS:
            what = f"sentences of {shape} tokens"
        return (
            f"{self.name}: {len(self.train_images):,} training and {len(self.test_images):,} test"
            f" {what}{kinds}, {self.where} ({size:,.0f} MB)"
        )

    def fingerprint(self):
        count = len(self.train_images)
        about = (self.train_images.shape, self.classes)
        if self.vocabulary is not None:
            about = (*about, self.vocabulary)
        digest = hashlib.sha256(repr(about).encode())
        digest.update(np.ascontiguousarray(self.train_images[:: max(1, count // SAMPLED)]))
        digest.update(np.ascontiguousarray(self.train_labels))
        return digest.hexdigest()[:16]

    def check_batch(self, batch):
        if batch > len(self.train_images):
            raise UsageError(
                f"--batch={batch} is larger than the {len(self.train_images)} training {self.kind}"
                f" of {self.name}; give a smaller one"
            )

    def batch_at(self, step, batch, seed):
        """Each epoch is a new permutation; a batch may extend into the next epoch."""
        count = len(self.train_images)
        epoch, offset = divmod(step * batch, count)
        chosen = _permutation(seed, epoch, count)[offset : offset + batch]
        if len(chosen) < batch:
            rest = _permutation(seed, epoch + 1, count)[: batch - len(chosen)]
            chosen = np.concatenate([chosen, rest])
        # `take` releases the interpreter's lock, so that several batches are read in parallel.
        return {"image": self.train_images.take(chosen, 0), "label": self.train_labels[chosen]}

    def train_once(self, limit):
        return self.train_images[:limit], self.train_labels[:limit]


@functools.lru_cache(maxsize=4)  # a batch may span two epochs, and batches are drawn ahead
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def from_arrays(
    data: tuple | dict, name: str, source: str = "data", scale: str = "minmax"
) -> ArrayDataset:
    """A dataset of the user's arrays.

    Args:
        data: (train_images, train_labels, test_images, test_labels), or a dict with these names.
            Images are uint8 [N, H, W, C] or [N, H, W], C = 1 or 3; signals are floats [N, T, C] or
            [N, T]; tokens are integers [N, T], with texts [V] as "vocabulary" in the dict if
            they have some; labels are integers [N] or [N, 1], or absent (None) where there are no
            classes.
        name: of the dataset.
        source: where the arrays are from, for messages.
        scale: of signals, as --scale_signals.

    Raises:
        UsageError: an array is missing, or has a wrong type, shape or range.
    """
    if not isinstance(data, dict):
        names = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
        if not isinstance(data, (tuple, list)) or len(data) != len(names):
            raise UsageError(f"data must be the tuple ({', '.join(names)}); labels may be None")
        data = dict(zip(names, data, strict=True))
    data = {key: np.asarray(array) for key, array in data.items() if array is not None}
    checked = {}
    for split in SPLITS:
        checked[f"{split}_images"] = images = _checked_images(data, split, source)
        checked[f"{split}_labels"] = _checked_labels(data, split, len(images), source)
    shape = checked["train_images"].shape[1:]
    if images.shape[1:] != shape:
        raise UsageError(f"{source}: training images are {shape}, test images differ")
    classes = 1 + int(max(checked["train_labels"].max(), checked["test_labels"].max()))
    class_names = tuple(map(str, range(classes))) if classes > 1 else ()
    units, vocabulary = None, None
    if len(shape) == 1:
        vocabulary = _checked_vocabulary(data, checked, source)
    elif len(shape) == 2:
        units = _units(checked["train_images"], scale)
    return ArrayDataset(name, shape, class_names, **checked, units=units, vocabulary=vocabulary)


def _checked_vocabulary(data: dict, tokens: dict, source: str) -> Vocabulary:
    """The vocabulary of checked arrays of tokens; UsageError if some are not in it."""
    count = 1 + int(max(tokens[f"{split}_images"].max() for split in SPLITS))
    if "vocabulary" not in data:
        return Vocabulary.numbers(count)
    texts, words = data["vocabulary"], data.get("words", np.array(True))
    if texts.ndim != 1 or words.ndim != 0:
        raise UsageError(f"{source}: vocabulary must be texts [V], and words true or false")
    vocabulary = Vocabulary(tuple(map(str, texts)), bool(words))
    if len(vocabulary) < count:
        raise UsageError(
            f"{source}: tokens reach {count - 1}, the vocabulary has {len(vocabulary)} texts"
        )
    return vocabulary


def are_sequences(dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Whether an array holds signals or tokens, not images."""
    return dtype != np.uint8 or len(shape) == 2


def _units(signals: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """The offset and the factor of each channel; constant channels have factor 1."""
    flat = signals.reshape(-1, signals.shape[-1])
    if scale == "standard":
        offset, factor = flat.mean(0, dtype=np.float64), flat.std(0, dtype=np.float64)
    elif scale == "minmax":
        low, high = flat.min(0), flat.max(0)
        offset, factor = (high + low) / 2, (high - low) / 2
    else:
        offset, factor = np.zeros(flat.shape[1]), np.ones(flat.shape[1])
    return offset, np.where(factor > 0, factor, 1)


def _checked_images(arrays: dict[str, np.ndarray], split: str, source: str) -> np.ndarray:
    name = f"{split}_images"
    if name not in arrays:
        raise UsageError(f"{source} has no {name}; it has: {', '.join(arrays) or 'nothing'}")
    images = arrays[name]
    if np.issubdtype(images.dtype, np.floating):
        return _checked_signals(images, name, source)
    if images.ndim == 2 and np.issubdtype(images.dtype, np.integer) and images.size:
        if images.min() < 0 or images.max() >= MAX_TOKENS:
            raise UsageError(f"{source}: {name} must be tokens in 0..{MAX_TOKENS - 1}")
        return images.astype(np.int32)
    if images.ndim == 3:
        images = images[..., None]
    wrong = images.dtype != np.uint8 or images.ndim != 4 or not images.size
    if wrong or images.shape[3] not in (1, 3):
        raise UsageError(
            f"{source}: {name} must be uint8 (0..255) [N, H, W, C] with N > 0 and 1 or 3 colors, or"
            f" signals or tokens, not {images.dtype} {images.shape}"
        )
    return images


def _checked_signals(signals: np.ndarray, name: str, source: str) -> np.ndarray:
    if signals.ndim == 2:
        signals = signals[..., None]
    if signals.ndim != 3 or not signals.size or signals.shape[1] == signals.shape[2] > 1:
        raise UsageError(
            f"{source}: {name} must be uint8 (0..255) images, or floats that are signals [N, T] or"
            f" [N, T, C] with N > 0 and T other than C, not {signals.dtype} {signals.shape}"
        )
    bad = int(np.sum(~np.isfinite(signals).all(axis=(1, 2))))
    if bad:
        raise UsageError(f"{source}: {bad:,} of {len(signals):,} {name} have NaN or infinity")
    return signals.astype(np.float32)


def _checked_labels(arrays: dict, split: str, count: int, source: str) -> np.ndarray:
    name, present = f"{split}_labels", [key for key in arrays if key.endswith("_labels")]
    if not present:
        return np.zeros(count, np.int64)
    if name not in arrays:
        raise UsageError(f"{source} has {present[0]} but no {name}")
    labels = arrays[name]
    if labels.shape == (count, 1):  # as in keras.datasets
        labels = labels[:, 0]
    integers = np.issubdtype(labels.dtype, np.integer) and labels.shape == (count,)
    if not integers or labels.min() < 0 or labels.max() >= MAX_CLASSES:
        values = f", {labels.min()} to {labels.max()}" if integers else ""
        raise UsageError(
            f"{source}: {name} must be whole numbers from 0 to {MAX_CLASSES - 1}, one for each of"
            f" {count} images, not {labels.dtype} {labels.shape}{values}"
        )
    return labels.astype(np.int64)
