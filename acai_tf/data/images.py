"""MNIST, SVHN, CIFAR-10 and CelebA through tensorflow-datasets, as the original prepared them.

Images are held in memory as uint8 and normalised on the device.
"""

from collections.abc import Callable

import numpy as np

from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset
from acai_tf.errors import UsageError


def mnist(config: Config) -> ArrayDataset:
    """28x28 digits with two black pixels added on each side."""

    def pad(images):
        return np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))

    return _load("mnist", "mnist", config, ["train"], ["test"], 10, pad)


def svhn(config: Config) -> ArrayDataset:
    """Street View house numbers, cropped; train and extra together."""
    return _load("svhn", "svhn_cropped", config, ["train", "extra"], ["test"], 10)


def cifar10(config: Config) -> ArrayDataset:
    """CIFAR-10 as it is."""
    return _load("cifar10", "cifar10", config, ["train"], ["test"], 10)


def celeba(config: Config) -> ArrayDataset:
    """Faces 218x178, 36 rows and 16 columns cut from each side, bicubic to 32x32; no classes.

    The original tested on its training file; this is tfds' own test split.
    """

    def crop_and_resize(images):
        import tensorflow as tf

        # The original's resize: TF1's bicubic, without antialiasing.
        small = tf.compat.v1.image.resize_bicubic(images[:, 36:-36, 16:-16], (32, 32))
        return np.clip(np.round(small.numpy()), 0, 255).astype(np.uint8)

    return _load("celeba", "celeba", config, ["train"], ["test"], 1, crop_and_resize)


def _load(
    name: str,
    tfds_name: str,
    config: Config,
    train_splits: list[str],
    test_splits: list[str],
    classes: int,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda images: images,
) -> ArrayDataset:
    builder = _prepared_builder(tfds_name, config.data_dir)
    train_images, train_labels = _read(builder, train_splits, prepare)
    test_images, test_labels = _read(builder, test_splits, prepare)
    shape = train_images.shape[1:]
    return ArrayDataset(
        name, shape, classes, test_images, test_labels, train_images, train_labels
    )


def _prepared_builder(tfds_name: str, data_dir: str):
    """tfds' builder, its data downloaded and prepared if they were not.

    Raises:
        UsageError: they are not there and cannot be had.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(tfds_name, data_dir=data_dir or None)
        if not builder.data_path.exists():
            print(f"{tfds_name} is not in {builder.data_path}; downloading it")
            builder.download_and_prepare()
        return builder
    except Exception as error:  # tfds and its downloader raise many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = data_dir or "~/tensorflow_datasets"
        raise UsageError(
            f"{tfds_name} is not prepared in {where} and could not be fetched ({reason[:200]});"
            f" on a machine with a network run: python -c \"import tensorflow_datasets as t;"
            f" t.load('{tfds_name}', data_dir='{where}')\", copy {where}/{tfds_name} here,"
            f" and pass --data_dir"
        ) from error


def _read(builder, splits: list[str], prepare) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of some splits, prepared a thousand at a time."""
    import tensorflow_datasets as tfds

    images, labels = [], []
    for split in splits:
        data = builder.as_dataset(split=split, batch_size=1000)
        for part in tfds.as_numpy(data):
            images.append(prepare(part["image"]))
            labels.append(part.get("label", np.zeros(len(part["image"]), np.int64)))
    return np.concatenate(images), np.concatenate(labels).astype(np.int64)
