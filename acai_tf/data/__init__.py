"""The registry of datasets: name -> function that loads it."""

import importlib
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


def canonical_name(name: str) -> str:
    """The registered name of a dataset; the original's (`mnist32`) are accepted.

    Raises:
        UsageError: no such dataset; lists the known ones.
    """
    for candidate in (name, name.removesuffix("32")):
        if candidate in DATASETS:
            return candidate
    raise UsageError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")


def load_dataset(config: Config) -> "Dataset":
    """The dataset that `config` names.

    Raises:
        UsageError: no such dataset, its data are missing, or fewer images than `config.batch`.
    """
    module, function = DATASETS[canonical_name(config.dataset)].split(":")
    dataset = getattr(importlib.import_module(module), function)(config)
    dataset.check_batch(config.batch)
    return dataset
