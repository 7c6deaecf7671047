"""Images through tensorflow-datasets: MNIST, SVHN, CIFAR-10 and CelebA as the original prepared
them, and any other image dataset by its name (tfds:<name>) as centre squares."""

import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from acai_tf.config import Config
from acai_tf.data import builders, cache
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.source import Decoded, Source
from acai_tf.data.square import square
from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.lazy import tf

PART = 500  # images of equal size decoded at a time
FEW = 16  # and of any size, which may be photographs


def mnist(config: Config) -> ArrayDataset:
    """28x28 digits with two black pixels added on each side."""

    def pad(images, size):
        del size
        return np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))

    return cache.load(config, TfdsSource(config, "mnist", prepare=pad))


def svhn(config: Config) -> ArrayDataset:
    """Street View house numbers, cropped; train and extra together, or train alone."""
    train = ["train", "extra"] if config.svhn_extra else ["train"]
    return cache.load(config, TfdsSource(config, "svhn_cropped", train=train))


def cifar10(config: Config) -> ArrayDataset:
    """CIFAR-10 as it is."""
    return cache.load(config, TfdsSource(config, "cifar10"))


def celeba(config: Config) -> ArrayDataset:
    """Faces 218x178, 36 rows and 16 columns cut from each side, bicubic to 32x32; no classes.

    The original tested on its training file; this is tfds' own test split. It kept the fractions
    that the bicubic makes; here they are rounded to whole levels.
    """

    def crop_and_resize(images, size):
        # The original's resize: TF1's bicubic, without antialiasing.
        small = tf.compat.v1.image.resize_bicubic(images[:, 36:-36, 16:-16], (size, size))
        return np.clip(np.round(small.numpy()), 0, 255).astype(np.uint8)

    return cache.load(config, TfdsSource(config, "celeb_a", prepare=crop_and_resize))


def named(config: Config) -> ArrayDataset:
    """Any image dataset of tfds, tfds:<name>: centre squares, `ClassLabel`s where there are any.

    Where there is no test split the validation split is used, and where there is none either, the
    last tenth of the training split is kept for testing.
    """
    return cache.load(config, TfdsSource(config, config.dataset.partition(":")[2]))


class Features(NamedTuple):
    """Which features of a tfds dataset are used."""

    image: str
    shape: tuple  # of the image; None where it varies
    label: str | None
    class_names: tuple[str, ...]


class TfdsSource(Source):
    """A dataset of tfds.

    Args:
        config: the run's settings.
        tfds_name: as tfds calls it.
        train: its splits to train on; None: "train".
        prepare: (images [n, h, w, c], size in pixels) -> images; they are made square
            afterwards where they are not of that size.
    """

    def __init__(
        self,
        config: Config,
        tfds_name: str,
        train: list[str] | None = None,
        prepare: Callable[[np.ndarray, int], np.ndarray] = lambda images, size: images,
    ):
        self._config, self._tfds_name, self._prepare = config, tfds_name, prepare
        self._train = train or ["train"]
        self._size = config.image_size
        data_dir = config.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        self.recipe = {
            "tfds": tfds_name,
            "data_dir": str(expanded(data_dir).absolute()),
            "train": self._train,
            "size": self._size,
            **self.laid_on(config.background_rgb),
        }

    def unchanged(self, origin):
        """tfds is not asked, which would take seconds: its own description of the data is."""
        return _hash(origin["info"]) in (None, origin["hash"])  # None: removed, to save room

    def decode(self, writer):
        name = self._config.dataset
        builders.import_tfds(name)
        builder = builders.prepared_builder(self._tfds_name, self._config.data_dir)
        features = _features(builder.info)
        train, test = self._splits(builder.info.splits)
        colors = 1 if features.shape[-1] == 1 else 3
        shape = (self._size, self._size, colors)
        counts = {split: builder.info.splits[split].num_examples for split in [*train, *test]}
        writer.expect(sum(counts.values()), shape)
        class_names = features.class_names
        for role, splits in (("train", train), ("test", test)):
            for split in splits:
                for images, labels in builders.undamaged(_read(builder, split, features), builder):
                    writer.add(role, self._squares(images, colors), labels)
                    writer.advance(len(images))
                    if min(labels) < 0:  # tfds' way to say that a split has none
                        class_names = ()
        info = pathlib.Path(builder.data_path) / "dataset_info.json"
        origin = {"tfds": builder.info.full_name, "info": str(info), "hash": _hash(info)}
        return Decoded(shape, class_names, origin)

    def _splits(self, splits) -> tuple[list[str], list[str]]:
        """Those to train and to test on."""
        missing = [split for split in self._train if split not in splits]
        if missing:
            raise UsageError(
                f"{self._config.dataset} has no {missing[0]} split; it has: {', '.join(splits)}"
            )
        for test in ("test", "validation"):
            if test in splits and splits[test].num_examples:
                return self._train, [test]
        return ["train[:90%]"], ["train[90%:]"]

    def _squares(self, images, colors: int) -> np.ndarray:
        """Images [n, h, w, c], or a list of images of any size -> [n, size, size, colors]."""
        if isinstance(images, np.ndarray):
            images = self._prepare(images, self._size)
            if images.shape[1:] == (self._size, self._size, colors):
                return images
        pictures = (Image.fromarray(i[..., 0] if i.shape[-1] == 1 else i) for i in images)
        background = self._config.background_rgb
        return np.stack([square(picture, self._size, colors, background) for picture in pictures])


def _features(info) -> Features:
    """The image and the label of a dataset.

    Raises:
        UsageError: it has no image, several, or one that is not of whole bytes.
    """
    import tensorflow_datasets as tfds

    supervised = info.supervised_keys or (None,)

    def one(kind) -> str | None:
        names = [name for name, feature in info.features.items() if isinstance(feature, kind)]
        usual = [name for name in names if name in supervised or name in ("image", "label")]
        return (usual or names)[0] if len(names) == 1 or len(usual) == 1 else None

    image, label = one(tfds.features.Image), one(tfds.features.ClassLabel)
    if image is None or info.features[image].np_dtype != np.uint8:
        raise UsageError(
            f"{info.name} has no feature that is one image of whole bytes; it has:"
            f" {', '.join(info.features)}"
        )
    class_names = tuple(info.features[label].names or ()) if label else ()
    return Features(image, tuple(info.features[image].shape), label, class_names)


def _read(builder, split: str, features: Features) -> Iterator[tuple]:
    """Parts of (images [n, h, w, c] or a list of images, labels [n]), always in the same order."""
    import tensorflow_datasets as tfds

    data = builder.as_dataset(
        split=split, read_config=tfds.ReadConfig(interleave_cycle_length=1), shuffle_files=False
    )

    def wanted(example):
        label = example[features.label] if features.label else tf.zeros((), tf.int64)
        return example[features.image], label

    data = data.map(wanted)
    if None not in features.shape:
        yield from tfds.as_numpy(data.batch(PART).prefetch(2))
        return
    few = []
    for example in tfds.as_numpy(data):
        few.append(example)
        if len(few) == FEW:
            yield tuple(zip(*few, strict=True))
            few = []
    if few:
        yield tuple(zip(*few, strict=True))


def _hash(path) -> str | None:
    """Of a file; None where there is none."""
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
