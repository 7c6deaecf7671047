"""The registry of datasets: name -> function that loads it."""

import importlib
import os
import pathlib
from typing import TYPE_CHECKING

from acai_tf.config import Config
from acai_tf.errors import UsageError

if TYPE_CHECKING:
    from acai_tf.data.dataset import Dataset

# Named by module so that the list is there without importing anything heavy.
DATASETS = {
    "lines": "acai_tf.data.lines:load",
    "digits": "acai_tf.data.digits:load",
    "mnist": "acai_tf.data.images:mnist",
    "svhn": "acai_tf.data.images:svhn",
    "cifar10": "acai_tf.data.images:cifar10",
    "celeba": "acai_tf.data.images:celeba",
}


# Those that are named with what to read: --dataset=npz:/path/to/file.npz
SOURCES = {
    "npz": "acai_tf.data.npz:load",
}


def canonical_name(name: str) -> str:
    """The registered name of a dataset; the original's (`mnist32`) are accepted.

    What follows a source's colon, a path, is made absolute.

    Raises:
        UsageError: no such dataset; lists the known ones.
    """
    source, colon, path = name.partition(":")
    if source in SOURCES and path:
        return source + colon + os.path.abspath(os.path.expanduser(path))
    for candidate in (name, name.removesuffix("32")):
        if candidate in DATASETS:
            return candidate
    known = [*DATASETS, *(f"{source}:<path>" for source in SOURCES)]
    raise UsageError(f"unknown dataset {name!r}; known: {', '.join(known)}")


def config_name(name: str) -> str:
    """What a dataset's file in configs/ is called: its name, or its source's."""
    return canonical_name(name).partition(":")[0]


def short_name(name: str) -> str:
    """A dataset's name as a folder can be called: `npz:/data/faces.npz` -> `faces`."""
    _, _, path = name.partition(":")
    return pathlib.Path(path).stem if path else name


def load_dataset(config: Config) -> "Dataset":
    """The dataset that `config` names.

    Raises:
        UsageError: no such dataset, its data are missing, or fewer images than `config.batch`.
    """
    where = {**DATASETS, **SOURCES}[config_name(config.dataset)]
    module, function = where.split(":")
    dataset = getattr(importlib.import_module(module), function)(config)
    dataset.check_batch(config.batch)
    return dataset
