"""Images through tensorflow-datasets (tfds): MNIST, SVHN, CIFAR-10 and CelebA as in the original
program, and any other image dataset by its name, tfds:<name>, as center squares."""

import contextlib
import difflib
import hashlib
import itertools
import os
import pathlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from acai_tf.config import Config
from acai_tf.data import cache
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.square import middle
from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.lazy import tf

PART = 500  # images decoded at a time
FEW = 16  # the same where sizes vary: they may be photographs


def mnist(config: Config) -> ArrayDataset:
    """28x28 digits, padded with two black pixels on each side."""
    padding = ((0, 0), (2, 2), (2, 2), (0, 0))
    source = TfdsSource(config, "mnist", prepare=lambda images, size: np.pad(images, padding))
    return cache.load(config, source)


def svhn(config: Config) -> ArrayDataset:
    """Street View house numbers, cropped; trains on train and extra, or on train alone."""
    train = ["train", "extra"] if config.svhn_extra else ["train"]
    return cache.load(config, TfdsSource(config, "svhn_cropped", train=train))


def cifar10(config: Config) -> ArrayDataset:
    """CIFAR-10 as it is."""
    return cache.load(config, TfdsSource(config, "cifar10"))


def celeba(config: Config) -> ArrayDataset:
    """218x178 faces, cropped by 36 rows and 16 columns on each side, bicubic to 32x32; no classes.

    The original tests on its training file; this uses tfds' test split. The original keeps the
    fractions of the bicubic interpolation; here they are rounded to whole levels.
    """

    def crop_and_resize(images, size):
        # The original's resize: TF1's bicubic, without antialiasing.
        small = tf.compat.v1.image.resize_bicubic(images[:, 36:-36, 16:-16], (size, size))
        return np.clip(np.round(small.numpy()), 0, 255).astype(np.uint8)

    return cache.load(config, TfdsSource(config, "celeb_a", prepare=crop_and_resize))


def named(config: Config) -> ArrayDataset:
    """Any image dataset of tfds, tfds:<name>: center squares, with classes if it has any.

    Without a test split the validation split is the test set; without both, the last tenth of the
    training split is.
    """
    return cache.load(config, TfdsSource(config, config.dataset.partition(":")[2]))


class TfdsSource:
    """A dataset of tfds; a `cache.Source`.

    Args:
        config: the run's settings.
        tfds_name: its name in tfds.
        train: the splits to train on.
        prepare: (images [n, h, w, c], size in pixels) -> images, which become center squares if
            they are not of that size.
    """

    def __init__(
        self,
        config: Config,
        tfds_name: str,
        train: list[str] = ("train",),
        prepare: Callable[[np.ndarray, int], np.ndarray] = lambda images, size: images,
    ):
        self._config, self._tfds_name, self._prepare = config, tfds_name, prepare
        self._train = list(train)
        data_dir = config.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        folder = str(expanded(data_dir).absolute())
        self.recipe = {"tfds": tfds_name, "data_dir": folder, "train": self._train}

    def unchanged(self, origin):
        # Of tfds' description of the data; None: removed to save space. Asking tfds takes seconds.
        return _hash(origin["info"]) in (None, origin["hash"])

    def decode(self):
        _import_tfds(self._config.dataset)
        builder = _prepared_builder(self._tfds_name, self._config.data_dir)
        features, splits = builder.info.features, self._splits(builder.info.splits)
        image, label = _image_and_label(builder.info)
        colors = 1 if features[image].shape[-1] == 1 else 3
        size, info = self._config.image_size, pathlib.Path(builder.data_path) / "dataset_info.json"
        return cache.Decoding(
            image_shape=(size, size, colors),
            class_names=tuple(features[label].names or ()) if label else (),
            count=sum(builder.info.splits[part].num_examples for _, part in splits),
            parts=self._parts(builder, splits, colors, image, label),
            origin={"tfds": builder.info.full_name, "info": str(info), "hash": _hash(info)},
        )

    def _splits(self, available) -> list[tuple[str, str]]:
        """("train" or "test", tfds' split), for all that are used."""
        missing = [split for split in self._train if split not in available]
        if missing:
            raise UsageError(
                f"{self._config.dataset} has no {missing[0]} split; it has: {', '.join(available)}"
            )
        for test in ("test", "validation"):
            if test in available and available[test].num_examples:
                return [*(("train", split) for split in self._train), ("test", test)]
        return [("train", "train[:90%]"), ("test", "train[90%:]")]

    def _parts(self, builder, splits: list, colors: int, image: str, label: str | None) -> Iterator:
        try:
            for split, part in splits:
                for images, labels in _read(builder, part, image, label):
                    yield split, self.squares(images, colors), labels
        except tf.errors.OpError as error:
            raise UsageError(
                f"the prepared data in {builder.data_path} are damaged ({_short(error)}); remove"
                " that folder and run this again"
            ) from error

    def squares(self, images: np.ndarray | list[np.ndarray], colors: int) -> np.ndarray:
        """Images [n, h, w, c], or a list of images of any size -> [n, size, size, colors]."""
        shape = (self._config.image_size, self._config.image_size, colors)
        if isinstance(images, np.ndarray):
            images = self._prepare(images, self._config.image_size)
            if images.shape[1:] == shape:
                return images
        pictures = (Image.fromarray(i[..., 0] if i.shape[-1] == 1 else i) for i in images)
        return np.stack([middle(p, shape, self._config.background_rgb) for p in pictures])


def _import_tfds(name: str) -> None:
    """Import tensorflow-datasets; raises UsageError if it, or TensorFlow, is not installed."""
    try:
        import keras
        import tensorflow  # noqa: F401 - is it there?
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{name} is read by tensorflow-datasets, which cannot be imported ({error}); where it"
            f" can, acai-tf data {name} --npz={name}.npz writes a file for"
            f" --dataset=npz:{name}.npz here"
        ) from error
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # TensorFlow is in use already
            tf.config.set_visible_devices([], "GPU")  # or it takes all of their memory


def _prepared_builder(tfds_name: str, data_dir: str):
    """tfds' builder; its data are downloaded and prepared if necessary.

    Raises:
        UsageError: they cannot be downloaded; lists the files to fetch and where to put them.
    """
    import tensorflow_datasets as tfds  # takes seconds

    try:
        builder = tfds.builder(tfds_name, data_dir=data_dir or None)
    except tfds.core.registered.DatasetNotFoundError:
        like = difflib.get_close_matches(tfds_name, tfds.list_builders(), n=5)
        hint = f"did you mean {', '.join(like)}?" if like else "https://www.tensorflow.org/datasets"
        raise UsageError(f"tfds has no dataset {tfds_name!r}; {hint}") from None
    except Exception as error:  # an unknown variant, a missing package
        raise UsageError(f"tfds cannot read {tfds_name!r} ({error})") from error
    if builder.is_prepared():
        return builder
    # <root>/<name>/<version>, or <root>/<name>/<variant>/<version>
    root = pathlib.Path(builder.data_path).parents[builder.info.full_name.count("/")]
    manual = root / "downloads" / "manual"  # where tfds looks before it downloads
    files = builder.url_infos or {}
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        fetched = manual.is_dir() and any(manual.iterdir())
        remedy = f"put into {manual} what tfds asks for: {builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
    elif files:
        fetched = all((manual / info.filename).exists() for info in files.values())
        urls = [
            url if url.endswith(f"/{info.filename}") else f"{url} (as {info.filename})"
            for url, info in files.items()
        ]
        remedy = f"fetch {', '.join(urls)} into {manual}"
    else:
        fetched, remedy = False, f"prepare it with tfds in {root}"
    missing = f"{tfds_name} is not prepared in {root}"
    if not fetched and not _any_host_resolves(list(files)):
        raise UsageError(f"{missing} and there is no network; {remedy}, and run this again")
    print(f"{missing}; preparing it")
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual if fetched else None)
        )
    except Exception as error:  # tfds and its downloader raise many kinds
        raise UsageError(
            f"{missing} and preparing it failed ({_short(error)}); {remedy}, and run this again"
        ) from error
    return builder


def _any_host_resolves(urls: list[str]) -> bool:
    """False where no download can work: tfds would retry for minutes."""
    for host in {urllib.parse.urlparse(url).hostname for url in urls}:
        with contextlib.suppress(OSError):
            socket.getaddrinfo(host, 443)
            return True
    return bool(urllib.request.getproxies()) or not urls


def _image_and_label(info) -> tuple[str, str | None]:
    """The names of a dataset's image and label features.

    Raises:
        UsageError: there is no image, there are several, or its values are not bytes.
    """
    import tensorflow_datasets as tfds  # takes seconds

    usual = ("image", "label", *(info.supervised_keys or ()))

    def only(kind: type) -> str | None:
        names = [name for name, feature in info.features.items() if isinstance(feature, kind)]
        for candidates in (names, [name for name in names if name in usual]):
            if len(candidates) == 1:
                return candidates[0]
        return None

    image = only(tfds.features.Image)
    if image is None or info.features[image].np_dtype != np.uint8:
        raise UsageError(
            f"{info.name} has no feature that is one image of bytes; it has:"
            f" {', '.join(info.features)}"
        )
    return image, only(tfds.features.ClassLabel)


def _read(builder, split: str, image: str, label: str | None) -> Iterator[tuple]:
    """Yields (images [n, h, w, c] or a list of images, labels [n]), always in the same order."""
    import tensorflow_datasets as tfds  # takes seconds

    config = tfds.ReadConfig(interleave_cycle_length=1)
    data = builder.as_dataset(split=split, read_config=config, shuffle_files=False)
    data = data.map(lambda one: (one[image], one[label] if label else tf.zeros((), tf.int64)))
    if None not in builder.info.features[image].shape:
        yield from tfds.as_numpy(data.batch(PART).prefetch(2))
        return
    examples = iter(tfds.as_numpy(data))
    while few := list(itertools.islice(examples, FEW)):
        yield tuple(zip(*few, strict=True))


def _hash(path: str | pathlib.Path) -> str | None:
    """Of a file; None if it does not exist."""
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
