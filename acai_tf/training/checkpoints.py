"""Checkpoints: every variable by its path, in one .npz that no kill can leave half-written.

The format is numpy's own: it needs no code to load, its checksums tell a damaged
file from a sound one, and it is the same whatever Keras backend wrote it.
"""

import os
import pathlib
import re

import numpy as np

from acai_tf.errors import DivergedError, UsageError
from acai_tf.files import read_npz, replacing, saving

KEEP = 3  # newest checkpoints kept: one may be damaged, one more is for comfort
_ROLLBACKS = "rollbacks"
_NAME = re.compile(r"step-(\d+)\.npz")


def weights(model) -> dict:
    """Name -> variable of a model's weights.

    The package's own networks name their variables by path, "encoder/conv0/kernel". In other
    networks names may be Keras' automatic ones, which count what a process has made before, so
    there it is the place: "encoder/0", "encoder/1", ...
    """
    import keras  # this module is read before there is a backend

    from acai_tf.models.fused import Network

    names = {id(variable): variable.path for variable in model.weights}
    roles = {"encoder": model.encoder, "decoder": model.decoder}
    for role, part in {**roles, **{one.name: one for one in model.regularizers}}.items():
        others = [
            layer
            for layer in part._flatten_layers()
            if isinstance(layer, keras.Model) and not isinstance(layer, Network)
        ]
        by_place = {id(variable) for network in others for variable in network.weights}
        for place, variable in enumerate(part.weights):  # of the whole part: networks may be nested
            if id(variable) in by_place:
                names[id(variable)] = f"{role}/{place}"
    return {names[id(variable)]: variable for variable in model.weights}


def state(model) -> dict:
    """Name -> variable of all that a step changes: the model and, once compiled, its optimizer."""
    named = weights(model)
    optimizer = getattr(model, "optimizer", None)  # there is no such attribute before compile()
    if not optimizer:
        return named
    # Adam's moments are named by the paths of the variables that they are of.
    of = {variable.path.replace("/", "_"): name for name, variable in named.items()}
    own = {}
    for variable in optimizer.variables:
        owner, _, kind = variable.path.removeprefix(f"{optimizer.name}/").rpartition("_")
        name = of.get(owner, owner).replace("/", "_")
        own[f"{optimizer.name}/{name}_{kind}" if owner in of else variable.path] = variable
    return {**named, **own}


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
    from acai_tf.training import distribution

    values, step = arrays(model), steps_taken(model)
    return (
        write(folder, step, values) if distribution.is_chief(model.config) else _path(folder, step)
    )


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
        arrays = read_npz(path, most=path.stat().st_size)  # it is not compressed
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


def copy_weights(model, source: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Give a model the weights of another, by name, wherever the shape is the same.

    Args:
        model: whose weights are set.
        source: name -> array, by the names that `weights` gives.

    Returns:
        (names that were set, names that keep their values). Where no matrix of the encoder or the
        decoder fits nothing is set: equal numbers of channels make a bias fit, not a network.
    """
    named = weights(model)
    fits = [n for n, v in named.items() if n in source and source[n].shape == tuple(v.shape)]
    networks = {id(v) for v in (*model.encoder.weights, *model.decoder.weights)}
    if not any(id(named[name]) in networks and source[name].ndim > 1 for name in fits):
        fits = []
    for name in fits:
        named[name].assign(np.array(source[name], named[name].dtype))  # a copy: JAX may keep it
    return fits, [name for name in named if name not in fits]


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
