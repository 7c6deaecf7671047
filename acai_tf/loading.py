"""From a folder to a model.

Nothing in a file is run: a model is built from settings, JSON, and only its weights are read.
"""

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, Union

from acai_tf import archive, pretrained
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT
from acai_tf.files import expanded
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.export.exported import Exported
    from acai_tf.models.autoencoder import Autoencoder


def load(path: str, weights: bool = False) -> Union["Autoencoder", "Exported"]:
    """The model of a run at its newest checkpoint, an exported one, or a pretrained one.

    Args:
        path: a run folder, one of the original program, the folder of an export, or the name of a
            pretrained model: "acai/mnist-d32".
        weights: an `Autoencoder` is wanted, not an export's SavedModel, whose weights have no
            names.

    Raises:
        UsageError: it is none of these, has no checkpoint yet, or is damaged.
    """
    path = pretrained.resolve(path)
    if is_export(path):
        return _load_export(path, weights)
    if is_original(path):
        from acai_tf.original.checkpoint import load as load_original

        return load_original(path)
    return load_run(RunFolder(path))[0]


def is_export(path: str) -> bool:
    """Whether a folder is an export's."""
    return (expanded(path) / ABOUT).exists()


def _load_export(path: str, weights: bool) -> Union["Autoencoder", "Exported"]:
    """Its SavedModel; where it has none, or `weights` are wanted, its weights."""
    from acai_tf.export.exported import Exported, read_about

    about, folder = read_about(path), expanded(path)
    if "saved_model" in about["formats"] and not weights:
        return Exported(path)
    if about["config"] is None:
        raise UsageError(f"{path}: load its model.keras with keras.saving.load_model")
    shapes = about["image_shape"], about["classes"]
    if "weights" in about["formats"]:
        model = _build(about["config"], *shapes, folder / ABOUT)
        checkpoints.restore(folder / "weights.npz", model)
    elif "keras" in about["formats"]:
        file = folder / "model.keras"
        model = _build(about["config"], *shapes, folder / ABOUT)
        try:
            archive.check_keras(file, most=file.stat().st_size)  # it is not compressed
            model.load_weights(file)
        except Exception as error:  # a damaged file makes zipfile and h5py raise many kinds
            raise UsageError(f"{file} cannot be read ({error})") from error
    else:
        raise UsageError(f"{path} holds {', '.join(about['formats'])} only, which is for others")
    return model


def _build(config: Config, image_shape, classes: int, settings: pathlib.Path) -> "Autoencoder":
    """The model that a file describes; raises UsageError where its settings make none."""
    from acai_tf.models import build_model

    # bfloat16 is for training: weights are float32, and what uses them afterwards is exact.
    config = dataclasses.replace(config, dtype_policy="float32")
    try:
        return build_model(config, image_shape, classes)
    except UsageError as error:
        raise UsageError(f"{settings}: {error}") from error


def is_original(path: str) -> bool:
    """Whether a folder is called and made as the original program's runs were."""
    folder = expanded(path)
    return (folder / "tf").is_dir() and not (folder / "config.json").exists()


def load_run(run: RunFolder) -> tuple["Autoencoder", int]:
    """The model of a run at its newest checkpoint, and that checkpoint's step.

    Raises:
        UsageError: no run folder, no checkpoint yet, or none that can be restored.
    """
    config = run.config()
    saved = checkpoints.checkpoints(run.checkpoints)
    if not saved:
        raise UsageError(
            f"{run.path} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    shapes = run.shapes() or next(
        filter(None, (_shapes(path, config.latent_width) for path in reversed(saved))), None
    )
    if not shapes:
        raise UsageError(f"no checkpoint in {run.path} can be read: they are damaged")
    model = _build(config, *shapes, run.path / "config.json")
    return model, checkpoints.restore_newest(run.checkpoints, model)


def _shapes(path: pathlib.Path, latent_width: int) -> tuple[tuple[int, int, int], int] | None:
    """The shape of images and the number of classes of a checkpoint's model; None: damaged.

    For runs whose config.json does not say so yet.
    """
    kernel = re.compile(r"encoder/(conv\d+)/kernel")
    try:
        held = archive.read(path, most=path.stat().st_size)
        convolutions = [name for name in held if kernel.fullmatch(name)]
        colors = held["encoder/conv0/kernel"].shape[2]
        (bias,) = [array for name, array in held.items() if re.fullmatch(r"probe/.*bias", name)]
        width = latent_width << (len(convolutions) - 3) // 2  # two a scale, three around them
        shape, classes = (width, width, colors), len(bias)
    except Exception:  # as in `checkpoints.restore`, which says what it was
        return None
    return (shape, classes) if min(colors, classes) > 0 else None
