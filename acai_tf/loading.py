"""From a folder to a model.

Nothing in a file is run: a model is built from settings, JSON, and only its weights are read.
"""

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, Union

from acai_tf import archive, checkpoints, pretrained
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT
from acai_tf.files import expanded
from acai_tf.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.exported import Exported
    from acai_tf.models.base import Autoencoder


def load(path: str) -> Union["Autoencoder", "Exported"]:
    """The model of a run at its newest checkpoint, an exported one, or a pretrained one.

    Args:
        path: a run folder, one of the original program, the folder of an export, or the name of a
            pretrained model: "acai/mnist-d32".

    Raises:
        UsageError: it is none of these, has no checkpoint yet, or is damaged.
    """
    path = pretrained.resolve(path)
    if is_export(path):
        return _load_export(path)
    if is_original(path):
        from acai_tf.original.checkpoint import load as load_original

        return load_original(path)
    return load_run(RunFolder(path))[0]


def is_export(path: str) -> bool:
    """Whether a folder is an export's."""
    return (expanded(path) / ABOUT).exists()


def _load_export(path: str) -> Union["Autoencoder", "Exported"]:
    """Its SavedModel; where it has none, its weights."""
    from acai_tf.exported import Exported, read_about

    about, folder = read_about(path), expanded(path)
    if "saved_model" in about["formats"]:
        return Exported(path)
    shapes = about["image_shape"], about["classes"]
    if "weights" in about["formats"]:
        weights = folder / "weights.npz"
        model = _build(about["config"], *shapes, folder / ABOUT, weights)
        checkpoints.restore(weights, model)
    elif "keras" in about["formats"]:
        weights = folder / "model.keras"
        model = _build(about["config"], *shapes, folder / ABOUT, weights)
        try:
            archive.check_keras(weights, most=weights.stat().st_size)  # it is not compressed
            model.load_weights(weights)
        except Exception as error:  # a damaged file makes zipfile and h5py raise many kinds
            raise UsageError(f"{weights} cannot be read ({error})") from error
    else:
        raise UsageError(f"{path} holds {', '.join(about['formats'])} only, which is for others")
    return model


def _build(
    config: Config, image_shape, classes: int, settings: pathlib.Path, weights: pathlib.Path
) -> "Autoencoder":
    """The model that one file describes and another fills.

    Raises:
        UsageError: the settings make no model, or one that is larger than the file of its weights:
            no memory is taken for that.
    """
    from acai_tf.models import build_model
    from acai_tf.models.sizes import check

    # bfloat16 is for training: weights are float32, and what uses them afterwards is exact.
    config = dataclasses.replace(config, dtype_policy="float32")
    try:
        check(config, image_shape, classes, weights)
        return build_model(config, image_shape, classes)
    except (OSError, UsageError) as error:
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
    for path in reversed(saved):
        if shapes := _shapes(path, config.latent_width):
            model = _build(config, *shapes, run.path / "config.json", path)
            return model, checkpoints.restore_newest(run.checkpoints, model)
    raise UsageError(f"no checkpoint in {run.path} can be read: they are damaged")


def _shapes(path: pathlib.Path, latent_width: int) -> tuple[tuple[int, int, int], int] | None:
    """The shape of images and the number of classes of a checkpoint's model; None: damaged."""
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
