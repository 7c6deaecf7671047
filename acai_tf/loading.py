"""From a folder to a model."""

import pathlib
import re
from typing import TYPE_CHECKING, Union

import numpy as np

from acai_tf import checkpoints
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT
from acai_tf.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.exported import Exported
    from acai_tf.models.base import Autoencoder


def load(path: str) -> Union["Autoencoder", "Exported"]:
    """The model of a run at its newest checkpoint, or an exported one.

    Args:
        path: a run folder, one of the original program, or the folder of an export.

    Raises:
        UsageError: it is none of these, has no checkpoint yet, or is damaged.
    """
    if is_export(path):
        return _load_export(path)
    if is_original(path):
        from acai_tf.original.checkpoint import load as load_original

        return load_original(path)
    return load_run(RunFolder(path))[0]


def is_export(path: str) -> bool:
    """Whether a folder is an export's."""
    return (pathlib.Path(path).expanduser() / ABOUT).exists()


def _load_export(path: str) -> Union["Autoencoder", "Exported"]:
    """Its SavedModel; where it has none, its weights."""
    from acai_tf.exported import Exported, read_about

    about, folder = read_about(path), pathlib.Path(path).expanduser()
    if "saved_model" in about["formats"]:
        return Exported(path)
    from acai_tf.models import build_model

    model = build_model(about["config"], about["image_shape"], about["classes"])
    if "weights" in about["formats"]:
        checkpoints.restore(folder / "weights.npz", model)
    elif "keras" in about["formats"]:
        import keras

        try:
            return keras.saving.load_model(folder / "model.keras")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder / 'model.keras'} cannot be read ({error})") from error
    else:
        raise UsageError(f"{path} holds {', '.join(about['formats'])} only, which is for others")
    return model


def is_original(path: str) -> bool:
    """Whether a folder is called and made as the original program's runs were."""
    folder = pathlib.Path(path).expanduser()
    return (folder / "tf").is_dir() and not (folder / "config.json").exists()


def load_run(run: RunFolder) -> tuple["Autoencoder", int]:
    """The model of a run at its newest checkpoint, and that checkpoint's step.

    Raises:
        UsageError: no run folder, no checkpoint yet, or none that can be restored.
    """
    from acai_tf.models import build_model

    config = run.config()
    saved = checkpoints.checkpoints(run.checkpoints)
    if not saved:
        raise UsageError(
            f"{run.path} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    shapes = (_shapes(path, config.latent_width) for path in reversed(saved))
    image_shape, classes = next((found for found in shapes if found), (None, None))
    if image_shape is None:
        raise UsageError(f"no checkpoint in {run.path} can be read: they are damaged")
    model = build_model(config, image_shape, classes)
    return model, checkpoints.restore_newest(run.checkpoints, model)


def _shapes(path: pathlib.Path, latent_width: int) -> tuple[tuple[int, int, int], int] | None:
    """The shape of images and the number of classes of a checkpoint's model; None: damaged."""
    kernel = re.compile(r"encoder/(conv\d+)/kernel")
    try:
        with np.load(path, allow_pickle=False) as file:
            convolutions = [name for name in file.files if kernel.fullmatch(name)]
            colors = file["encoder/conv0/kernel"].shape[2]
            (bias,) = [file[name] for name in file.files if re.fullmatch(r"probe/.*bias", name)]
    except Exception:  # as in `checkpoints.restore`, which says what it was
        return None
    width = latent_width << (len(convolutions) - 3) // 2  # two a scale, one before, two after
    return (width, width, colors), len(bias)
