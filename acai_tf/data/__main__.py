"""Prepare a dataset ahead of time, and look at it.

    python -m acai_tf.data svhn
    python -m acai_tf.data folder:~/faces --image_size=64
    python -m acai_tf.data mnist --npz=mnist.npz

It is downloaded and decoded, with a progress bar, where it has not been; sizes, class counts and
the range of values are printed, and a sheet of samples is written.
"""

import argparse
import dataclasses
import sys

import numpy as np

from acai_tf import command
from acai_tf.config import Config, setting_kinds
from acai_tf.data import cache, canonical_name, load_dataset, npz, short_name
from acai_tf.data.dataset import ArrayDataset, Dataset
from acai_tf.errors import UsageError

SETTINGS = ("image_size", "svhn_extra", "data_dir", "cache_dir")  # of Config, that data read
COUNTED = 20  # classes whose images are counted a line each


def summary(dataset: Dataset) -> str:
    """Class counts and the range of values, a line each."""
    parts = {"test": (dataset.test_images, dataset.test_labels)}
    if isinstance(dataset, ArrayDataset):
        parts = {"training": (dataset.train_images, dataset.train_labels), **parts}
    lines = []
    for name, (images, _) in parts.items():
        some = images[:10_000].astype(np.float64)
        lines.append(
            f"{name} images: {images.dtype}, {images.min():g} to {images.max():g},"
            f" mean {some.mean():.4g}, standard deviation {some.std():.4g}"
        )
    if dataset.classes > 1:
        counts = {k: np.bincount(v, minlength=dataset.classes) for k, (_, v) in parts.items()}
        lines.append(f"images per class ({', '.join(counts)}):")
        for index, name in list(enumerate(dataset.class_names))[:COUNTED]:
            lines.append(f"  {name}: {', '.join(f'{count[index]:,}' for count in counts.values())}")
        if dataset.classes > COUNTED:
            lines.append(f"  ... and {dataset.classes - COUNTED} classes more")
    return "\n".join(lines)


def main() -> None:
    """The command line.

    Raises:
        UsageError: an unknown dataset, missing data, a file that is there already.
    """
    parser = argparse.ArgumentParser(prog="python -m acai_tf.data", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("dataset", help="as train.py's --dataset")
    for name in SETTINGS:
        setting = next(f for f in dataclasses.fields(Config) if f.name == name)
        kind = {bool: _boolean}.get(setting_kinds()[name], setting_kinds()[name])
        parser.add_argument(
            f"--{name}", type=kind, default=setting.default, help=setting.metadata["help"]
        )
    parser.add_argument("--sheet", help="the PNG of samples to write; default: in the cache folder")
    parser.add_argument("--npz", help="write the images as this .npz file, for --dataset=npz:")
    arguments = parser.parse_args()
    config = Config(
        dataset=canonical_name(arguments.dataset),
        batch=1,
        **{name: getattr(arguments, name) for name in SETTINGS},
    )
    sheet = arguments.sheet and npz.new_file(arguments.sheet)
    file = arguments.npz and npz.new_file(arguments.npz)
    command.load_backend()
    from acai_tf import figures

    dataset = load_dataset(config)
    if file and not isinstance(dataset, ArrayDataset):
        raise UsageError(f"{dataset.name} is drawn on the fly and needs no file")
    print(summary(dataset))
    if not sheet:
        size = dataset.image_shape[0]
        sheet = cache.cache_dir(config) / "samples" / f"{short_name(config.dataset)}-{size}.png"
    figures.save_png(samples(dataset), sheet)
    print(f"samples: {sheet}")
    if file:
        npz.save(dataset, file)
        print(f"{file}: {len(dataset.train_images):,} + {len(dataset.test_images):,} images")


def samples(dataset: Dataset) -> np.ndarray:
    """The first training images, a sheet [rows * H, columns * W, C] uint8."""
    from acai_tf import figures
    from acai_tf.models.base import to_unit

    side = figures.side(dataset.image_shape[0])
    images, _ = dataset.train_once(side * side)
    images = np.resize(images, (side, side, *dataset.image_shape))  # few: over again
    return figures.grid(np.asarray(to_unit(images)))


def _boolean(word: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise ValueError
    return word.lower() == "true"


if __name__ == "__main__":
    sys.exit(command.run(main))
