"""The registry of datasets: name -> function that loads it."""

import dataclasses
import os
import pathlib
import re
from typing import TYPE_CHECKING

from acai_tf import registry
from acai_tf.config import Config, changed_settings, configured, settings_unread_by
from acai_tf.errors import UsageError

if TYPE_CHECKING:
    from acai_tf.data.dataset import Dataset

# Named by module so that the list is there without importing anything heavy. A loader is a function
# of the run's Config that returns a `Dataset`, or the four arrays that `acai_tf.train` takes.
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
ARRAYS = "arrays"  # the dataset of train(data=...)
OURS = {*DATASETS, *SOURCES, ARRAYS}
_PATHS = {"npz": "<file>", "folder": "<path>", "tfds": "<name>"}  # what follows the colon


def canonical_name(name: str) -> str:
    """The registered name of a dataset; the original's (`mnist32`) are accepted, and dotted paths.

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
        if candidate in (*DATASETS, ARRAYS):
            return candidate
    if re.fullmatch(r"[A-Za-z_][\w.]*:\w+", name) and source not in SOURCES:
        return name
    known = [*DATASETS, *(f"{source}:{what}" for source, what in _PATHS.items())]
    raise UsageError(
        f"unknown dataset {name!r}; known: {', '.join(known)}, or a dotted path such as"
        " my_package.my_module:load"
    )


def config_name(name: str) -> str:
    """A dataset's registered name, or its source's: `folder:/data/faces` -> `folder`."""
    name = canonical_name(name)
    source = name.partition(":")[0]
    return source if source in SOURCES else name


def says_its_size(name: str) -> bool:
    """Whether the size of a dataset's images is known only once they are loaded."""
    return config_name(name) not in OURS - {"npz", ARRAYS}


def settings_unread(name: str) -> set[str]:
    """Names of the settings that a dataset does not read; one from outside may read all."""
    return settings_unread_by(config_name(name)) if config_name(name) in OURS else set()


def short_name(name: str) -> str:
    """A dataset's name as a folder can be called: `npz:/data/faces.npz` -> `faces`; 100 bytes at
    most, so that there is room for more in a file's name."""
    source, _, what = name.partition(":") if name.partition(":")[0] in SOURCES else (name, "", "")
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
    unread = sorted(given & settings_unread(dataset))
    if unread:
        raise UsageError(
            f"dataset {dataset} does not read {', '.join(f'--{name}' for name in unread)}"
        )


def load_dataset(config: Config | None = None, data: tuple | None = None, **settings) -> "Dataset":
    """The dataset that `config` names; one line says where its images are.

    Args:
        config: a run's settings.
        data: the arrays of the dataset "arrays"; see `acai_tf.train`.
        settings: of `Config`: those to change, or without `config` all that are not the defaults.

    Raises:
        UsageError: no such dataset, a setting it does not read, or its data are missing.
    """
    config = configured(config, settings)
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset))
    refuse_unread(config.dataset, changed_settings(config))
    if (data is None) == (config.dataset == ARRAYS):
        raise UsageError(
            "this run was trained on arrays, train(data=...); save them as an .npz file"
            " (acai_tf/data/npz.py) and give --dataset=npz:<file>"
            if data is None
            else f"give data or dataset={config.dataset!r}, not both"
        )
    from acai_tf.data.dataset import Dataset
    from acai_tf.data.npz import from_arrays

    where = {**DATASETS, **SOURCES}
    name = config_name(config.dataset)
    loaded = registry.find("dataset", name, where)(config) if data is None else data
    if not isinstance(loaded, Dataset):
        loaded = from_arrays(loaded, config.dataset)
    print(loaded.describe())
    return loaded
