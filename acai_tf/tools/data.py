"""Prepare a dataset ahead of time, and look at it.

    acai-tf data svhn
    acai-tf data folder:~/faces --image_size=64
    acai-tf data mnist --npz=mnist.npz

It is downloaded and decoded, with a progress bar, where it has not been; sizes, class counts and
the range of values are printed, and a sheet of samples is written.
"""

import dataclasses

import numpy as np
from absl import flags

from acai_tf import cli
from acai_tf.config import Config, setting_kinds
from acai_tf.data import cache, canonical_name, load_dataset, npz, short_name
from acai_tf.data.dataset import ArrayDataset, Dataset
from acai_tf.errors import UsageError
from acai_tf.files import new_file

SETTINGS = ("image_size", "background", "svhn_extra", "data_dir", "cache_dir")  # of Config
PART = 100  # images whose values are summed up at a time
COUNTED = 20  # classes whose images are counted a line each


def summary(dataset: Dataset) -> str:
    """Class counts and the range of values, a line each."""
    parts = {"test": (dataset.test_images, dataset.test_labels)}
    if isinstance(dataset, ArrayDataset):
        parts = {"training": (dataset.train_images, dataset.train_labels), **parts}
    lines = [f"{name} images: {_range(images)}" for name, (images, _) in parts.items()]
    if dataset.classes > 1:
        counts = {k: np.bincount(v, minlength=dataset.classes) for k, (_, v) in parts.items()}
        lines.append(f"images per class ({', '.join(counts)}):")
        for index, name in list(enumerate(dataset.class_names))[:COUNTED]:
            lines.append(f"  {name}: {', '.join(f'{count[index]:,}' for count in counts.values())}")
        if dataset.classes > COUNTED:
            lines.append(f"  ... and {dataset.classes - COUNTED} classes more")
    return "\n".join(lines)


def _range(images: np.ndarray) -> str:
    """Lowest, highest and mean value and the standard deviation, over all images."""
    low, high, total, squares = np.inf, -np.inf, 0.0, 0.0
    for start in range(0, len(images), PART):
        part = images[start : start + PART].astype(np.float64)
        low, high = min(low, part.min()), max(high, part.max())
        total, squares = total + part.sum(), squares + np.square(part).sum()
    mean = total / images.size
    deviation = np.sqrt(max(0.0, squares / images.size - mean**2))
    return (
        f"{images.dtype}, {low:g} to {high:g}, mean {mean:.4g}, standard deviation {deviation:.4g}"
    )


def main() -> None:
    """The command line.

    Raises:
        UsageError: an unknown dataset, missing data, a file that is there already.
    """
    parser = cli.Parser("data", __doc__)
    parser.add_argument("dataset", help="as train.py's --dataset")
    for name in SETTINGS:
        setting = next(f for f in dataclasses.fields(Config) if f.name == name)
        kind = setting_kinds()[name]
        kind = flags.BooleanParser().parse if kind is bool else kind
        parser.add_argument(
            f"--{name}", type=kind, default=setting.default, help=setting.metadata["help"]
        )
    parser.add_argument("--sheet", help="the PNG of samples to write; default: in the cache folder")
    parser.add_argument("--npz", help="write the images as this .npz file, for --dataset=npz:")
    arguments = parser.parse_args()
    config = Config(
        dataset=canonical_name(arguments.dataset),
        **{name: getattr(arguments, name) for name in SETTINGS},
    )
    sheet = arguments.sheet and new_file(arguments.sheet)
    file = arguments.npz and new_file(arguments.npz)
    if file and sheet and file.resolve() == sheet.resolve():
        raise UsageError(f"--npz and --sheet are both {file}; give two names")
    cli.load_backend()
    from acai_tf.evaluation import figures

    dataset = load_dataset(config)
    if file and not isinstance(dataset, ArrayDataset):
        raise UsageError(f"{dataset.name} is drawn on the fly and needs no file")
    print(summary(dataset))
    if not sheet:
        size, which = dataset.image_shape[0], dataset.fingerprint()[:6]
        name = f"{short_name(config.dataset)}-{size}-{which}.png"
        sheet = cache.cache_dir(config) / "samples" / name
    figures.save_png(samples(dataset), sheet)
    print(f"samples: {sheet}")
    if file:
        npz.save(dataset, file)
        print(f"{file}: {len(dataset.train_images):,} + {len(dataset.test_images):,} images")


def samples(dataset: Dataset) -> np.ndarray:
    """The first training images, a sheet [rows * H, columns * W, C] uint8."""
    from acai_tf.evaluation import figures
    from acai_tf.models.reconstruction import to_unit

    rows, columns = figures.layout(*dataset.image_shape[:2])
    images, _ = dataset.train_once(rows * columns)
    images = np.resize(images, (rows, columns, *dataset.image_shape))  # few: over again
    return figures.grid(np.asarray(to_unit(images)))
