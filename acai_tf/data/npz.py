"""Images in one .npz file: for machines without TensorFlow, and for data of one's own.

train_images, test_images  [N, H, W, C] or [N, H, W] uint8, C = 1 or 3
train_labels, test_labels  whole numbers [N]; both may be left out where there are no classes

    acai-tf data mnist --npz=mnist.npz

writes such a file from any dataset that has an end.
"""

import os
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.data.cache import free_memory
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.source import SPLITS
from acai_tf.errors import UsageError
from acai_tf.files import read_npz, replacing

MAX_CLASSES = 2**16  # more is a slip


def load(config: Config) -> ArrayDataset:
    """The file that `config.dataset`, npz:<file>, names.

    Raises:
        UsageError: it cannot be read, or does not hold what it should; says what.
    """
    path = pathlib.Path(config.dataset.partition(":")[2])
    if not os.path.isfile(path):  # a pipe would be waited on for ever
        raise UsageError(
            f"there is no file {path}; acai-tf data <dataset> --npz={path.name} writes one"
        )
    try:
        arrays = read_npz(path, most=free_memory())
    except Exception as error:  # zipfile and numpy raise many kinds
        raise UsageError(f"{path} is not a readable .npz ({error})") from error
    return dataset_of(arrays, config.dataset, str(path))


def from_arrays(data: tuple, name: str) -> ArrayDataset:
    """A dataset of (train_images, train_labels, test_images, test_labels).

    Images are uint8 [N, H, W, C] or [N, H, W]; labels are whole numbers [N], or None. Raises
    UsageError as `dataset_of`.
    """
    names = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
    if not isinstance(data, (tuple, list)) or len(data) != len(names):
        raise UsageError(f"data must be the tuple ({', '.join(names)}); labels may be None")
    given = zip(names, data, strict=True)
    return dataset_of({n: np.asarray(a) for n, a in given if a is not None}, name, "data")


def dataset_of(arrays: dict[str, np.ndarray], name: str, source: str) -> ArrayDataset:
    """The dataset that arrays make, once they have been checked.

    Args:
        arrays: by the names at the top of this file.
        name: of the dataset.
        source: where the arrays come from; for messages.

    Raises:
        UsageError: an array is missing, or of the wrong type, shape or range.
    """
    images = {split: _images(source, arrays, split) for split in SPLITS}
    shape = images["train"].shape[1:]
    if images["test"].shape[1:] != shape:
        raise UsageError(f"{source}: training images are {shape}, test images differ")
    labels = {split: _labels(source, arrays, split, len(images[split])) for split in SPLITS}
    classes = int(max(labels["train"].max(), labels["test"].max())) + 1
    return ArrayDataset(
        name=name,
        image_shape=shape,
        class_names=tuple(map(str, range(classes))) if classes > 1 else (),
        test_images=images["test"],
        test_labels=labels["test"],
        train_images=images["train"],
        train_labels=labels["train"],
    )


def _images(source: str, arrays: dict, split: str) -> np.ndarray:
    name = f"{split}_images"
    if name not in arrays:
        raise UsageError(f"{source} has no {name}; it has: {', '.join(arrays) or 'nothing'}")
    images = arrays[name]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise UsageError(
            f"{source}: {name} must be uint8 (0..255) [N, H, W, C] with N > 0, is {images.dtype}"
            f" {images.shape}"
        )
    if 0 in images.shape or images.shape[3] not in (1, 3):
        raise UsageError(f"{source}: {name} must be of 1 or 3 colors, are {images.shape[1:]}")
    return images


def _labels(source: str, arrays: dict, split: str, count: int) -> np.ndarray:
    names = [f"{s}_labels" for s in SPLITS if f"{s}_labels" in arrays]
    if not names:
        return np.zeros(count, np.int64)
    name = f"{split}_labels"
    if name not in names:
        raise UsageError(f"{source} has {names[0]} but no {name}")
    labels = arrays[name]
    if labels.shape == (count, 1):  # as keras.datasets has them
        labels = labels[:, 0]
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.shape != (count,):
        raise UsageError(
            f"{source}: {name} must be whole numbers, one for each of {count} images; is"
            f" {labels.dtype} {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise UsageError(
            f"{source}: {name} must count classes from 0 on, to {MAX_CLASSES} at most; they run"
            f" from {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int64)


def save(dataset: ArrayDataset, path: pathlib.Path) -> None:
    """Write a dataset as such a file; in one piece or not at all."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(
            file,
            train_images=dataset.train_images,
            train_labels=dataset.train_labels,
            test_images=dataset.test_images,
            test_labels=dataset.test_labels,
        )
