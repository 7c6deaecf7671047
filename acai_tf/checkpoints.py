"""Checkpoints: every variable by its path, in one .npz that no kill can leave half-written.

The format is numpy's own: it needs no code to load, its checksums tell a damaged
file from a sound one, and it is the same whatever Keras backend wrote it.
"""

import os
import pathlib
import re

import numpy as np

from acai_tf.errors import DivergedError, UsageError

KEEP = 3  # newest checkpoints kept: one may be damaged, one more is for comfort
_NAME = re.compile(r"step-(\d+)\.npz")


def state(model) -> dict:
    """Path -> variable of all that a step changes: the model and, once compiled, its optimizer."""
    optimizer = getattr(model, "optimizer", None)  # there is no such attribute before compile()
    variables = [*model.weights, *(optimizer.variables if optimizer else [])]
    return {variable.path: variable for variable in variables}


def save(folder: pathlib.Path, model) -> pathlib.Path:
    """Write `step-N.npz` and drop the oldest beyond KEEP.

    Args:
        folder: where to; made if it is not there.
        model: compiled, its optimizer built.

    Raises:
        DivergedError: a variable is not finite; nothing is written.
    """
    arrays = {path: np.asarray(variable) for path, variable in state(model).items()}
    for path, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise DivergedError(f"{path} is no longer finite; it was not saved")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{int(model.optimizer.iterations):08d}.npz"
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)  # atomic: the name never stands for a part of the file
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink()
    return path


def checkpoints(folder: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints in a folder, oldest first."""
    found = [path for path in folder.glob("step-*.npz") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(_NAME.fullmatch(path.name)[1]))


def restore(path: pathlib.Path, model) -> None:
    """Set every variable of the model, and of its optimizer if it has one, from a checkpoint.

    All or nothing: where it raises, no variable has changed.

    Raises:
        UsageError: it is damaged, or of another model; says which variable.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}  # reads and checks all of it
    except Exception as error:  # one flipped bit makes zipfile and numpy raise some ten kinds
        raise UsageError(f"checkpoint {path} is damaged ({error})") from error
    variables = state(model)
    for name, variable in variables.items():
        if name not in arrays:
            raise UsageError(f"checkpoint {path} has no variable {name}: it is of another model")
        if arrays[name].shape != tuple(variable.shape):
            raise UsageError(
                f"checkpoint {path}: {name} has shape {arrays[name].shape}, the model's is"
                f" {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def restore_newest(folder: pathlib.Path, model) -> int:
    """Restore the newest checkpoint that can be; one that cannot is named and passed over.

    Returns:
        The step it was taken at; 0 where there is none.

    Raises:
        UsageError: there are checkpoints and none can be restored; says why not the newest.
    """
    refusals = []
    for path in reversed(checkpoints(folder)):
        try:
            restore(path, model)
        except UsageError as refusal:
            refusals.append(refusal)
            continue
        if refusals:
            print(f"{refusals[0]}; going on from {path.name}")
        return int(_NAME.fullmatch(path.name)[1])
    if refusals:
        raise UsageError(f"{refusals[0]}; no older one can be restored; give another --run_dir")
    return 0
