"""Pretrained models in the package: acai_tf.load("acai/mnist-d32").

Each is a folder with weights.npz (float16), acai_tf.json (settings, step, scores of these weights),
sampler.npz (what new images are drawn from) and README.md, its card; `acai-tf pretrained` lists
them.
"""

import pathlib
import re

from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.models import MODELS

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """The names of all: <model>/<dataset>-d<code size>."""
    found = FOLDER.glob("*/[!.]*/weights.npz")  # hidden ones are being written
    return sorted(path.parent.relative_to(FOLDER).as_posix() for path in found)


def resolve(path: str) -> str:
    """The folder of a pretrained model; any other path is returned as it is.

    Args:
        path: a name, or a folder, which comes first.

    Raises:
        UsageError: there is no such folder, and the path looks like a pretrained model's name; or
            there is no home folder for its ~.
    """
    path = str(path)
    if expanded(path).exists():
        return path
    name = path.rstrip("/")
    if name in names():
        return str(FOLDER / name)
    if re.fullmatch(r"\w+/\w+(-d\d+)?", name) and name.partition("/")[0] in MODELS:
        raise UsageError(
            f"there is no folder and no pretrained model {name}; there are {', '.join(names())}"
        )
    return path


def is_pretrained(path: str) -> bool:
    """Whether a folder is part of the package, where nothing must be written."""
    return FOLDER in pathlib.Path(path).resolve().parents
