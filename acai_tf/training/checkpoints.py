"""Checkpoints: every variable by its path, in one .npz file that is written atomically.

The .npz format runs no code when it is loaded, has checksums that reveal a damaged file, and is the
same on every Keras backend.
"""

import math
import os
import pathlib
import re

import numpy as np

from acai_tf.errors import DivergedError, UsageError
from acai_tf.files import read_npz, replacing, saving

KEEP = 3  # newest checkpoints that are kept, in case the last one is damaged
_ROLLBACKS = "rollbacks"
_AVERAGE = "average/"  # of the weights, with --ema_kimg
_NAME = re.compile(r"step-(\d+)\.npz")


def weights(model) -> dict:
    """Name -> variable of a model's weights.

    The package's own networks name their variables by path, "encoder/conv0/kernel". Other networks
    may have Keras' automatic names, which depend on what the process created before; their
    variables are numbered instead: "encoder/0", "encoder/1", ...
    """
    import keras  # takes seconds, and commands import this module before they choose a backend

    from acai_tf.models.fused import Network  # imports keras

    names = {id(variable): variable.path for variable in model.weights}
    parts = {"encoder": model.encoder, "decoder": model.decoder}
    parts |= {regularizer.name: regularizer for regularizer in model.regularizers}
    for role, part in parts.items():
        foreign = {
            id(variable)
            for layer in part._flatten_layers()
            if isinstance(layer, keras.Model) and not isinstance(layer, Network)
            for variable in layer.weights
        }
        for index, variable in enumerate(part.weights):  # of the whole part: networks may be nested
            if id(variable) in foreign:
                names[id(variable)] = f"{role}/{index}"
    return {names[id(variable)]: variable for variable in model.weights}


def state(model) -> dict:
    """Name -> variable of all that a step changes: the model and, once compiled, its optimizer."""
    named = weights(model)
    optimizer = getattr(model, "optimizer", None)  # missing before compile()
    if not optimizer:
        return named
    # Adam's moments are named after the paths of their variables.
    names = {variable.path.replace("/", "_"): name for name, variable in named.items()}
    slots = {}
    for slot in optimizer.variables:
        owner, _, kind = slot.path.removeprefix(f"{optimizer.name}/").rpartition("_")
        if kind == "average":
            slots[_AVERAGE + names[owner]] = slot
            continue
        name = names.get(owner, owner).replace("/", "_")
        slots[f"{optimizer.name}/{name}_{kind}" if owner in names else slot.path] = slot
    return {**named, **slots}


def steps_taken(model) -> int:
    """How many steps a compiled model has taken."""
    return int(np.asarray(model.optimizer.iterations))


def _running_means(model) -> dict:
    """Path -> variable of the sums behind the logs of the current report period."""
    return {f"running/{v.path}": v for v in model.metrics_variables}


def arrays(model) -> dict[str, np.ndarray]:
    """The contents of a checkpoint. With several workers, all of them must call this.

    Raises:
        DivergedError: a variable is not finite.
    """
    from acai_tf import backend  # imports keras

    backend.settle(model)
    values = {path: np.asarray(variable) for path, variable in state(model).items()}
    # Reading a metric's variable gives the sum over replicas; their number may change.
    for path, variable in _running_means(model).items():
        values[path] = np.asarray(variable) / np.float32(backend.replicas())
    for path, array in values.items():
        if not np.all(np.isfinite(array)):
            raise DivergedError(f"{path} is no longer finite; it was not saved")
    return {**values, _ROLLBACKS: np.asarray(model.rollbacks)}


def save(folder: pathlib.Path, model) -> None:
    """Write `arrays` of a compiled model; with several workers, all must call this, the chief
    writes. Raises DivergedError as `arrays` does, CannotSave as `write` does."""
    from acai_tf.training import distribution  # imports keras

    values = arrays(model)
    if distribution.is_chief(model.config):
        write(folder, steps_taken(model), values, model.config.cooldown_begins)


def write(
    folder: pathlib.Path, step: int, values: dict[str, np.ndarray], cooldown: float = math.inf
) -> None:
    """Write `step-N.npz` and delete the oldest beyond KEEP.

    Args:
        folder: created if its parent exists.
        step: N.
        values: what `arrays` returned.
        cooldown: the step from which the learning rate falls. The last checkpoint before it is
            kept: a longer run continues from there.

    Raises:
        CannotSave: the folder cannot be written; earlier checkpoints are intact.
    """
    path = folder / f"step-{step:08d}.npz"
    with saving(path, "free some space or fix the folder; the same command then resumes"):
        folder.mkdir(exist_ok=True)  # fails if the run folder was removed
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **values)
            file.flush()
            os.fsync(file.fileno())
        kept = checkpoints(folder)[-KEEP:] + checkpoints(folder, cooldown)[-1:]
        for old in checkpoints(folder):
            if old not in kept:
                old.unlink()


def checkpoints(folder: pathlib.Path, last: float = math.inf) -> list[pathlib.Path]:
    """The checkpoints in a folder, oldest first; those up to a `last` step."""
    found = [path for path in folder.glob("step-*.npz") if _NAME.fullmatch(path.name)]
    return sorted((path for path in found if _step(path) <= last), key=_step)


def _step(path: pathlib.Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])


def restore(path: pathlib.Path, model) -> None:
    """Set every variable of the model, and of its optimizer if it has one, from a checkpoint.

    A model without an optimizer, which is not for training, gets averaged weights if there are any.
    Either all variables are set or, when this raises, none.

    Raises:
        UsageError: the file is damaged, or of another model; says which variable.
    """
    from acai_tf import backend  # imports keras

    try:
        arrays = read_npz(path, most=path.stat().st_size)  # it is not compressed
        rollbacks = int(arrays.get(_ROLLBACKS, 0))
        for name, array in arrays.items():
            if array.dtype.kind not in "fiu" or not np.all(np.isfinite(array)):
                raise ValueError(f"{name} holds values that are not finite numbers")
            if name.endswith("/iteration") and _NAME.fullmatch(path.name) and array != _step(path):
                raise ValueError(f"it is of step {array}")
    except Exception as error:  # zipfile and numpy raise many kinds for a damaged file
        raise UsageError(f"checkpoint {path} is damaged ({error})") from error
    if not getattr(model, "optimizer", None):
        averages = {name: array for name, array in arrays.items() if name.startswith(_AVERAGE)}
        arrays |= {name.removeprefix(_AVERAGE): array for name, array in averages.items()}
    variables, running = state(model), _running_means(model)
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
    for name, variable in variables.items():
        scale = backend.replicas() if name in running else 1
        variable.assign((arrays[name] * scale).astype(variable.dtype))
    model.rollbacks = rollbacks


def copy_weights(model, source: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Set the weights of a model to those of another, by name, wherever the shapes agree.

    Args:
        model: whose weights are set.
        source: name -> array, by the names that `weights` gives.

    Returns:
        (names that were set, names that keep their values). Unless a matrix of the encoder or the
        decoder fits nothing is set: biases fit any network with as many channels.
    """
    named = weights(model)
    fits = [n for n, v in named.items() if n in source and source[n].shape == tuple(v.shape)]
    networks = {id(v) for v in (*model.encoder.weights, *model.decoder.weights)}
    if not any(id(named[name]) in networks and source[name].ndim > 1 for name in fits):
        fits = []
    for name in fits:
        named[name].assign(np.array(source[name], named[name].dtype))  # a copy: JAX may keep it
    return fits, [name for name in named if name not in fits]


def restore_newest(folder: pathlib.Path, model, last: float = math.inf) -> int:
    """Restore the newest checkpoint that can be restored; prints why a newer one cannot.

    Args:
        folder: of the checkpoints.
        model: whose variables are set.
        last: the last step to consider.

    Returns:
        Its step; 0 if there are no checkpoints.

    Raises:
        UsageError: there are checkpoints and none can be restored.
    """
    refusal = None
    for path in reversed(checkpoints(folder, last)):
        try:
            restore(path, model)
        except UsageError as error:
            refusal = refusal or error
        else:
            if refusal:
                print(f"{refusal}; resuming from {path.name}")
            return _step(path)
    if refusal:
        raise UsageError(f"{refusal}; no older one can be restored; give another --run_dir")
    return 0
