"""Prepare a dataset and look at it.

    acai-tf data svhn
    acai-tf data folder:~/faces --image_size=64
    acai-tf data mnist --npz=mnist.npz

Downloads and decodes it, unless that is done; prints sizes, images per class and the range of
values; writes a sheet of samples. Of text it prints lengths, the most frequent tokens and a few
sentences.
"""

import dataclasses

import numpy as np
from absl import flags

from acai_tf import cli
from acai_tf.config import Config, setting_kinds
from acai_tf.data import canonical_name, load_dataset, npz, short_name
from acai_tf.data.cache import cache_dir
from acai_tf.data.dataset import ArrayDataset, Dataset
from acai_tf.data.vocabulary import UNKNOWN, Vocabulary
from acai_tf.errors import UsageError
from acai_tf.evaluation import figures
from acai_tf.evaluation.pixels import to_float
from acai_tf.files import new_file
from acai_tf.kinds import TOKENS

SETTINGS = (  # of Config
    *("image_size", "background", "tokens", "length", "svhn_extra"),
    *("data_dir", "cache_dir"),
)
PART = 100  # images whose statistics are computed at a time
LISTED = 20  # classes, or tokens
SENTENCES = 5


def summary(dataset: Dataset) -> str:
    """What the elements are like and how many each class has, one line each."""
    parts = {"test": (dataset.test_images, dataset.test_labels)}
    if isinstance(dataset, ArrayDataset):
        parts = {"training": (dataset.train_images, dataset.train_labels), **parts}
    what, vocabulary, lines = _named(dataset), dataset.vocabulary, []
    for name, (images, _) in parts.items():
        about = _statistics(images) if vocabulary is None else _lengths(images, vocabulary)
        lines.append(f"{name} {what}: {about}")
    if vocabulary is not None:
        first, _ = next(iter(parts.values()))
        lines.append(_frequent(first, vocabulary))
    if dataset.classes > 1:
        lines.append(f"{what} per class ({', '.join(parts)}):")
        counts = [np.bincount(labels, minlength=dataset.classes) for _, labels in parts.values()]
        for name, *numbers in list(zip(dataset.class_names, *counts, strict=True))[:LISTED]:
            lines.append(f"  {name}: {', '.join(f'{number:,}' for number in numbers)}")
        if dataset.classes > LISTED:
            lines.append(f"  ... and {dataset.classes - LISTED} more classes")
    return "\n".join(lines)


def _named(dataset: Dataset) -> str:
    """What the elements are called."""
    return "sentences" if dataset.kind == TOKENS else dataset.kind


def _counts(tokens: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """How often each token occurs, without padding, [V]."""
    return np.bincount(tokens[vocabulary.not_padding(tokens)], minlength=len(vocabulary))


def _lengths(tokens: np.ndarray, vocabulary: Vocabulary) -> str:
    """Number, mean length and share of unknown tokens of sentences [N, T]."""
    counts = _counts(tokens, vocabulary)
    unknown = counts[[text == UNKNOWN for text in vocabulary.tokens]].sum() / max(1, counts.sum())
    mean = f"mean length {counts.sum() / len(tokens):.1f} {vocabulary.unit}"
    return f"{len(tokens):,}, {mean}, {unknown:.2%} of them unknown"


def _frequent(tokens: np.ndarray, vocabulary: Vocabulary) -> str:
    """The most frequent tokens and their shares."""
    counts = _counts(tokens, vocabulary)
    first = np.argsort(-counts, kind="stable")[:LISTED]
    shares = [
        f"{vocabulary.tokens[n]!r} {counts[n] / counts.sum():.1%}" for n in first if counts[n]
    ]
    return f"most frequent: {', '.join(shares)}"


def _statistics(images: np.ndarray) -> str:
    """Minimum, maximum, mean and standard deviation; computed in parts, to save memory."""
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


def samples(dataset: Dataset) -> np.ndarray:
    """The first training images, a sheet [rows * H, columns * W, C] uint8."""
    rows, columns = figures.layout(dataset.image_shape)
    images, _ = dataset.train_once(rows * columns)
    images = np.resize(images, (rows, columns, *dataset.image_shape))  # few images are repeated
    shown = figures.normalized(to_float(images), images.reshape(-1, *dataset.image_shape))
    return figures.grid(shown)


def main() -> None:
    """The command line.

    Raises:
        UsageError: an unknown dataset, missing data, a file that exists.
    """
    parser = cli.Parser("data", __doc__)
    parser.add_argument("dataset", help="as --dataset of acai-tf train")
    for setting in dataclasses.fields(Config):
        if setting.name in SETTINGS:
            kind = setting_kinds()[setting.name]
            parser.add_argument(
                f"--{setting.name}",
                type=flags.BooleanParser().parse if kind is bool else kind,
                default=setting.default,
                help=setting.metadata["help"],
            )
    parser.add_argument("--sheet", help="the PNG of samples to write; default: in the cache folder")
    parser.add_argument("--npz", help="write the data as this .npz file, for --dataset=npz:")
    arguments = vars(parser.parse_args())
    name, sheet, file = (arguments.pop(key) for key in ("dataset", "sheet", "npz"))
    config = Config(dataset=canonical_name(name), **arguments)
    sheet, file = sheet and new_file(sheet), file and new_file(file)
    if file and sheet and file.resolve() == sheet.resolve():
        raise UsageError(f"--npz and --sheet are both {file}; give two names")
    cli.load_backend()
    dataset = load_dataset(config)
    if file and not isinstance(dataset, ArrayDataset):
        raise UsageError(f"{dataset.name} is drawn on the fly and needs no file")
    if sheet and dataset.kind == TOKENS:
        raise UsageError(f"--sheet is for images and signals; {dataset.name} has {dataset.kind}")
    print(summary(dataset))
    if dataset.kind == TOKENS:
        tokens, _ = dataset.train_once(SENTENCES)
        print("sentences:", *dataset.vocabulary.text(tokens), sep="\n  ")
    else:
        shape, shown = dataset.image_shape, dataset.fingerprint()[:6]
        default = f"{short_name(config.dataset)}-{shape[0]}-{shown}.png"
        sheet = sheet or cache_dir(config) / "samples" / default
        figures.save_png(samples(dataset), sheet)
        print(f"samples: {sheet}")
    if file:
        npz.save(dataset, file)
        counts = f"{len(dataset.train_images):,} + {len(dataset.test_images):,}"
        print(f"{file}: {counts} {_named(dataset)}")
