"""The registry of datasets: name -> function that loads it."""

import dataclasses
import importlib
import os
import pathlib
import re
from typing import TYPE_CHECKING

from acai_tf.config import Config, changed_settings, configured, settings_unread_by
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
    "folder": "acai_tf.data.folder:load",
    "tfds": "acai_tf.data.images:named",
}
_PATHS = {"npz": "<file>", "folder": "<path>", "tfds": "<name>"}  # what follows the colon


def canonical_name(name: str) -> str:
    """The registered name of a dataset; the original's (`mnist32`) are accepted.

    A path that follows a source's colon is made absolute.

    Raises:
        UsageError: no such dataset; lists the known ones.
    """
    source, colon, what = name.partition(":")
    if source in SOURCES and what:
        if source != "tfds":
            what = os.path.abspath(os.path.expanduser(what))
        return source + colon + what
    for candidate in (name, name.removesuffix("32")):
        if candidate in DATASETS:
            return candidate
    known = [*DATASETS, *(f"{source}:{what}" for source, what in _PATHS.items())]
    raise UsageError(f"unknown dataset {name!r}; known: {', '.join(known)}")


def config_name(name: str) -> str:
    """A dataset's registered name, or its source's: `folder:/data/faces` -> `folder`."""
    return canonical_name(name).partition(":")[0]


def short_name(name: str) -> str:
    """A dataset's name as a folder can be called: `npz:/data/faces.npz` -> `faces`; 100 bytes at
    most, so that there is room for more in a file's name."""
    source, _, what = name.partition(":")
    if source == "npz":
        what = pathlib.Path(what).stem
    elif source == "folder":
        what = pathlib.Path(what).name
    short = re.sub(r"[^\w.-]+", "-", what or name)
    return short.encode()[:100].decode(errors="ignore")


def refuse_unread(dataset: str, given: set[str]) -> None:
    """Refuse settings that a dataset does not read.

    Args:
        dataset: its name.
        given: names of the settings that were given.

    Raises:
        UsageError: unknown dataset, or a setting that it does not read.
    """
    unread = sorted(given & settings_unread_by(config_name(dataset)))
    if unread:
        raise UsageError(
            f"dataset {dataset} does not read {', '.join(f'--{name}' for name in unread)}"
        )


def load_dataset(config: Config | None = None, **settings) -> "Dataset":
    """The dataset that `config` names; one line says where its images are.

    Args:
        config: a run's settings.
        settings: of `Config`: those to change, or without `config` all that are not the defaults.

    Raises:
        UsageError: no such dataset, a setting it does not read, or its data are missing.
    """
    config = configured(config, settings)
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset))
    refuse_unread(config.dataset, changed_settings(config))
    where = {**DATASETS, **SOURCES}[config_name(config.dataset)]
    module, function = where.split(":")
    dataset = getattr(importlib.import_module(module), function)(config)
    print(dataset.describe())
    return dataset
