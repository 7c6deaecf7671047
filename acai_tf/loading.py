"""Load models from folders. Models are built from settings; only weights are read from files."""

import dataclasses
from typing import TYPE_CHECKING, Union

from acai_tf import pretrained
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT, SAMPLER
from acai_tf.export.exported import Exported, read_about
from acai_tf.files import expanded
from acai_tf.models import build_model, samplers
from acai_tf.original.checkpoint import load as load_original
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


def load(path: str, weights: bool = False) -> Union["Autoencoder", "Exported"]:
    """Load the newest checkpoint of a run, an exported model or a pretrained one.

    Args:
        path: a run folder, one of the original program, the folder of an export, or the name of a
            pretrained model: "acai/mnist-d32".
        weights: always return an `Autoencoder`, never an export's SavedModel.

    Raises:
        UsageError: it is none of these, is damaged, or has no checkpoint yet.
    """
    path = pretrained.resolve(path)
    if is_export(path):
        return _load_export(path, weights)
    if is_original(path):
        return load_original(path)
    return load_run(RunFolder(path))[0]


def is_export(path: str) -> bool:
    """Whether a folder is an export."""
    return (expanded(path) / ABOUT).exists()


def is_original(path: str) -> bool:
    """Whether a folder looks like a run of the original program."""
    folder = expanded(path)
    return (folder / "tf").is_dir() and not (folder / "config.json").exists()


def load_run(run: RunFolder) -> tuple["Autoencoder", int]:
    """The model of a run at its newest checkpoint, and the checkpoint's step.

    Raises:
        UsageError: no run folder, no checkpoint yet, or none that can be restored.
    """
    config, about = run.config(), run.shapes()
    if not checkpoints.checkpoints(run.checkpoints):
        raise UsageError(
            f"{run.path} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    if not about:
        raise UsageError(f"{run.path}/config.json has no image_shape: train.py adds it on resuming")
    model = _build(run.path / "config.json", config, *about)
    step = checkpoints.restore_newest(run.checkpoints, model)
    if config.ema_kimg:
        print(f"{run.path}: averaged weights, --ema_kimg={config.ema_kimg:g}")
    return model, step


def _load_export(path: str, weights: bool) -> Union["Autoencoder", "Exported"]:
    about, folder = read_about(path), expanded(path)
    formats = about["formats"]
    if "saved_model" in formats and not weights:
        return Exported(path)
    if about["config"] is None:
        raise UsageError(f"{path}: load its model.keras with keras.saving.load_model")
    if not {"weights", "keras"} & set(formats):
        raise UsageError(f"{path} holds {', '.join(formats)} only, which acai_tf does not load")
    shapes = (about[name] for name in ("image_shape", "classes", "vocabulary"))
    model = _build(folder / ABOUT, about["config"], *shapes)
    model.sampler = samplers.load(folder / SAMPLER)
    if "weights" in formats:
        checkpoints.restore(folder / "weights.npz", model)
        return model
    file = folder / "model.keras"
    try:
        model.load_weights(file)
    except Exception as error:  # zipfile and h5py raise many kinds for a damaged file
        raise UsageError(f"{file} cannot be read ({error})") from error
    return model


def _build(source, config: Config, *about) -> "Autoencoder":
    """The model that a file describes; raises UsageError if its settings are not consistent."""
    # Weights are float32 and inference is exact; bfloat16 is for training.
    config = dataclasses.replace(config, dtype_policy="float32")
    try:
        return build_model(config, *about)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
