"""Trained models that come with the package: acai_tf.load("acai/mnist-d32").

Each is a folder, acai/mnist-d32: weights.npz (numbers of 16 bits), acai_tf.json (settings, step,
scores of these very weights) and README.md, its card. `acai-tf pretrained` lists them.
"""

import pathlib
import re

from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.models import MODELS

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """What there is: <model>/<dataset>-d<code size>."""
    found = FOLDER.glob("*/[!.]*/weights.npz")  # not one that is being made
    return sorted(path.parent.relative_to(FOLDER).as_posix() for path in found)


def resolve(path: str) -> str:
    """Where a model lies: a folder as it is, a pretrained model's name as its folder.

    Args:
        path: a folder, or a name; a folder of that name is preferred.

    Raises:
        UsageError: there is no such folder, and it could only be a name, or its ~ names no home
            folder.
    """
    path = str(path)
    if expanded(path).exists():
        return path
    if (name := path.rstrip("/")) in (known := names()):
        return str(FOLDER / name)
    if re.fullmatch(r"\w+/\w+(-d\d+)?", name) and name.partition("/")[0] in MODELS:
        raise UsageError(
            f"there is no folder and no pretrained model {name}; there are {', '.join(known)}"
        )
    return path


def is_pretrained(path: str) -> bool:
    """Whether a folder is one of the package's own, which nothing is to be written to."""
    return FOLDER in pathlib.Path(path).resolve().parents
