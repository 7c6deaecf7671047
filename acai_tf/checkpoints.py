"""Checkpoints: every variable by its path, in one .npz that no kill can leave half-written.

The format is numpy's own: it needs no code to load, its checksums tell a damaged
file from a sound one, and it is the same whatever Keras backend wrote it.
"""

import os
import pathlib
import re

import numpy as np

from acai_tf import archive
from acai_tf.errors import DivergedError, UsageError
from acai_tf.files import replacing, saving

KEEP = 3  # newest checkpoints kept: one may be damaged, one more is for comfort
_ROLLBACKS = "rollbacks"
_NAME = re.compile(r"step-(\d+)\.npz")


def state(model) -> dict:
    """Path -> variable of all that a step changes: the model and, once compiled, its optimizer."""
    optimizer = getattr(model, "optimizer", None)  # there is no such attribute before compile()
    variables = [*model.weights, *(optimizer.variables if optimizer else [])]
    return {variable.path: variable for variable in variables}


def steps_taken(model) -> int:
    """By a compiled model; on several replicas too, whose variables are no numbers."""
    return int(np.asarray(model.optimizer.iterations))


def running_means(model) -> dict:
    """Path -> variable of what a period's logs are the means of so far."""
    return {f"running/{v.path}": v for v in model.metrics_variables}


def arrays(model) -> dict[str, np.ndarray]:
    """What a checkpoint holds. All workers of a run must ask for it together.

    Raises:
        DivergedError: a variable is not finite.
    """
    from acai_tf import backend

    backend.settle(model)
    values = {path: np.asarray(variable) for path, variable in state(model).items()}
    # What is summed up on each replica is read as the sum over them; the next may be others.
    for path, variable in running_means(model).items():
        values[path] = np.asarray(variable) / np.float32(backend.replicas())
    for path, array in values.items():
        if not np.all(np.isfinite(array)):
            raise DivergedError(f"{path} is no longer finite; it was not saved")
    return {**values, _ROLLBACKS: np.asarray(model.rollbacks)}


def save(folder: pathlib.Path, model) -> pathlib.Path:
    """Write `step-N.npz` and drop the oldest beyond KEEP; of several workers the chief does.

    Args:
        folder: where to; made if it is not there.
        model: compiled, its optimizer built.

    Raises:
        DivergedError: a variable is not finite; nothing is written.
        CannotSave: the folder cannot be written; what was there before still is.
    """
    from acai_tf import devices

    values, step = arrays(model), steps_taken(model)
    return write(folder, step, values) if devices.is_chief(model.config) else _path(folder, step)


def write(folder: pathlib.Path, step: int, values: dict[str, np.ndarray]) -> pathlib.Path:
    """Write what `arrays` gave, as `save` does; raises CannotSave."""
    path = _path(folder, step)
    with saving(path, "free some space, or see to the folder; the same command then goes on"):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **values)
            file.flush()
            os.fsync(file.fileno())
        for old in checkpoints(folder)[:-KEEP]:
            old.unlink()
    return path


def _path(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"step-{step:08d}.npz"


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
    from acai_tf import backend

    try:
        arrays = archive.read(path, most=path.stat().st_size)  # it is not compressed
        rollbacks = int(arrays.get(_ROLLBACKS, 0))
        _check(path, arrays)
    except Exception as error:  # one flipped bit makes zipfile and numpy raise some ten kinds
        raise UsageError(f"checkpoint {path} is damaged ({error})") from error
    variables, running = state(model), running_means(model)
    if set(running) <= set(arrays):  # exported weights and old checkpoints have none
        variables |= running
    for name, variable in variables.items():
        if name not in arrays:
            raise UsageError(f"checkpoint {path} has no variable {name}: it is of another model")
        if arrays[name].shape != tuple(variable.shape):
            raise UsageError(
                f"checkpoint {path}: {name} has shape {arrays[name].shape}, the model's is"
                f" {tuple(variable.shape)}"
            )
        if not np.can_cast(arrays[name].dtype, variable.dtype, "same_kind"):
            raise UsageError(f"checkpoint {path}: {name} is {arrays[name].dtype}: it is damaged")
    for name, variable in variables.items():
        scale = backend.replicas() if name in running else 1
        # Of this machine's byte order, too.
        variable.assign((arrays[name] * scale).astype(variable.dtype))
    model.rollbacks = rollbacks


def _check(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Raises ValueError where `save` cannot have written these arrays under this name."""
    named = _NAME.fullmatch(path.name)
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name} is not finite")
        if named and name.endswith("/iteration") and array.item() != int(named[1]):
            raise ValueError(f"it is of step {array}")


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
