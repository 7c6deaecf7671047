"""MNIST, SVHN, CIFAR-10 and CelebA through tensorflow-datasets, as the original prepared them.

Images are held in memory as uint8 and normalised on the device.
"""

import contextlib
import pathlib
import socket
import urllib.parse
import urllib.request
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

    return _load("celeba", "celeb_a", config, ["train"], ["test"], 1, crop_and_resize)


def _load(
    name: str,
    tfds_name: str,
    config: Config,
    train_splits: list[str],
    test_splits: list[str],
    classes: int,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda images: images,
) -> ArrayDataset:
    _import_tfds(name)
    builder = _prepared_builder(tfds_name, config.data_dir)
    train_images, train_labels = _read(builder, train_splits, prepare)
    test_images, test_labels = _read(builder, test_splits, prepare)
    shape = train_images.shape[1:]
    return ArrayDataset(name, shape, classes, test_images, test_labels, train_images, train_labels)


def _import_tfds(name: str) -> None:
    """Import tensorflow-datasets, and TensorFlow beneath it.

    Raises:
        UsageError: one of them is not installed; says how the images get here without.
    """
    try:
        import keras
        import tensorflow as tf
        import tensorflow_datasets  # noqa: F401 - only to see that it is there
    except ImportError as error:
        raise UsageError(
            f"{name} is read by tensorflow-datasets, which cannot be imported ({error}); where it"
            f" can, python -m acai_tf.data.npz {name} {name}.npz writes a file for"
            f" --dataset=npz:{name}.npz here"
        ) from error
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # a caller uses TensorFlow already
            tf.config.set_visible_devices([], "GPU")  # it would take all of their memory


def _prepared_builder(tfds_name: str, data_dir: str):
    """tfds' builder, its data downloaded and prepared if they were not.

    Raises:
        UsageError: they are not there and cannot be had; says which files to put where.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(tfds_name, data_dir=data_dir or None)
    if builder.is_prepared():
        return builder
    root = pathlib.Path(builder.data_path).parents[1]
    by_hand = root / "downloads" / "manual"  # where tfds looks before it downloads
    urls = list(builder.url_infos or {})
    remedy = (
        f"fetch {', '.join(urls)} into {by_hand}" if urls else f"prepare it with tfds in {root}"
    )
    remedy += " and run this again"
    missing = f"{tfds_name} is not prepared in {root}"
    if not _fetched_by_hand(by_hand) and not _any_host_resolves(urls):
        raise UsageError(f"{missing} and there is no network; {remedy}")
    print(f"{missing}; preparing it")
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=by_hand if _fetched_by_hand(by_hand) else None
            )
        )
    except Exception as error:  # tfds and its downloader raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{missing} and preparing it failed ({reason}); {remedy}") from error
    return builder


def _fetched_by_hand(folder: pathlib.Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _any_host_resolves(urls: list[str]) -> bool:
    """False only where a download is hopeless: tfds would retry for minutes before saying so."""
    if urllib.request.getproxies() or not urls:
        return True
    for host in {urllib.parse.urlparse(url).hostname for url in urls}:
        try:
            socket.getaddrinfo(host, 443)
            return True
        except OSError:
            continue
    return False


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
