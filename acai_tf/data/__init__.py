"""The registry of datasets: name -> function that loads it."""

import dataclasses
import os
import pathlib
import re

from acai_tf import registry
from acai_tf.config import (
    SEQUENCES,
    TEXT,
    Config,
    changed_settings,
    configured,
    settings_unread_by,
)
from acai_tf.data.dataset import Dataset, from_arrays
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError

# A loader is a function of the run's Config that returns a `Dataset`, or the arrays that
# `acai_tf.train` takes.
DATASETS = {
    "lines": "acai_tf.data.lines:load",
    "pulses": "acai_tf.data.signals:pulses",
    "tones": "acai_tf.data.signals:tones",
    "carousel": "acai_tf.data.carousel:one",
    "carousels": "acai_tf.data.carousel:two",
    "names": "acai_tf.data.text:names",
    "digits": "acai_tf.data.digits:load",
    "mnist": "acai_tf.data.images:mnist",
    "svhn": "acai_tf.data.images:svhn",
    "cifar10": "acai_tf.data.images:cifar10",
    "celeba": "acai_tf.data.images:celeba",
}

# Named together with what to read: --dataset=npz:/path/to/file.npz
SOURCES = {
    "npz": "acai_tf.data.npz:load",
    "folder": "acai_tf.data.folder:load",
    "text": "acai_tf.data.text:load",
    "tfds": "acai_tf.data.images:named",
}
ARRAYS = "arrays"  # the dataset of train(data=...)
OURS = {*DATASETS, *SOURCES, ARRAYS}


def canonical_name(name: str) -> str:
    """The registered name of a dataset, or a dotted path; the original's `mnist32` is `mnist`.

    The path in npz:<path>, folder:<path> and text:<path> becomes absolute.

    Raises:
        UsageError: no such dataset; lists the known ones.
    """
    source, colon, what = name.partition(":")
    if source in SOURCES and what:
        if source != "tfds":
            what = os.path.abspath(os.path.expanduser(what))
        return source + colon + what
    for candidate in (name, name.removesuffix("32")):
        if candidate in (*DATASETS, ARRAYS):
            return candidate
    if re.fullmatch(r"[A-Za-z_][\w.]*:\w+", name) and source not in SOURCES:
        return name
    raise UsageError(
        f"unknown dataset {name!r}; known: {', '.join(DATASETS)}, npz:<file>, folder:<path>,"
        " text:<file>, tfds:<name>, or a dotted path such as my_package.my_module:load"
    )


def config_name(name: str) -> str:
    """A dataset's name without what it reads: `folder:/data/faces` -> `folder`."""
    name = canonical_name(name)
    source = name.partition(":")[0]
    return source if source in SOURCES else name


def says_its_size(name: str) -> bool:
    """Whether the size of a dataset's images is not --image_size."""
    return config_name(name) not in OURS - {"npz", ARRAYS, *SEQUENCES}


def settings_unread(name: str) -> set[str]:
    """Names of the settings that a dataset does not read; custom datasets may read all."""
    return settings_unread_by(config_name(name)) if config_name(name) in OURS else set()


def short_name(name: str) -> str:
    """A dataset's name as a file name, `npz:/data/faces.npz` -> `faces`; 100 bytes at most."""
    source, _, what = name.partition(":")
    if source in ("npz", "folder", "text"):
        path = pathlib.Path(what)
        name = (path.name if source == "folder" else path.stem) or name
    elif source == "tfds":
        name = what
    return re.sub(r"[^\w.-]+", "-", name).encode()[:100].decode(errors="ignore")


def refuse_unread(dataset: str, given: set[str]) -> None:
    """Refuse settings that a dataset does not read.

    Args:
        dataset: its name.
        given: names of the settings that were given.

    Raises:
        UsageError: unknown dataset, or a setting that it does not read.
    """
    if unread := sorted(given & settings_unread(dataset)):
        raise UsageError(
            f"dataset {dataset} does not read {', '.join(f'--{name}' for name in unread)}"
        )


def load_dataset(
    config: Config | None = None,
    data: tuple | None = None,
    vocabulary: Vocabulary | None = None,
    **settings,
) -> Dataset:
    """Load the dataset that `config` names, and print a line that describes it.

    Args:
        config: a run's settings.
        data: the arrays of the dataset "arrays"; see `acai_tf.train`.
        vocabulary: that text is encoded with: a model's; None: one made of the text.
        settings: of `Config`, replacing those of `config`.

    Raises:
        UsageError: no such dataset, a setting it does not read, or its data are missing.
    """
    config = configured(config, settings)
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset))
    refuse_unread(config.dataset, changed_settings(config))
    if data is None and config.dataset == ARRAYS:
        raise UsageError(
            "this run was trained on arrays, train(data=...); save them as an .npz file"
            " (acai_tf/data/npz.py) and give --dataset=npz:<file>"
        )
    if data is not None and config.dataset != ARRAYS:
        raise UsageError(f"give data or dataset={config.dataset!r}, not both")
    if data is None:
        name = config_name(config.dataset)
        load = registry.find("dataset", name, {**DATASETS, **SOURCES})
        data = load(config, vocabulary) if name in TEXT else load(config)
    if not isinstance(data, Dataset):
        data = from_arrays(data, config.dataset, scale=config.scale_signals)
    print(data.describe())
    return data
