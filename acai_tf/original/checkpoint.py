"""Checkpoints of the original program as models of this one."""

import math
import pathlib
import re
from typing import TYPE_CHECKING

import numpy as np

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.lazy import tf
from acai_tf.models import build_model
from acai_tf.original.folder import OriginalClass, dataset_of, parse

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

# First part of a variable's path here -> of its name there. The encoder's and the decoder's differ
# by class.
SCOPES = {
    "critic": "disc",
    "discriminator": "disc",
    "probe": "single_layer_classifier",
    "mu": "ae_latent/dense",
    "log_variance": "ae_latent/dense_1",
    "project": "vqvae/dense",
    "hidden": "vqvae/bottleneck/vch2",
    "restore": "vqvae/bottleneck/vcfin",
    "codebook/means": "means",
    "codebook/ema_count": "ema_count_0",
    "codebook/ema_sums": "ema_means_0",
}
CHECKPOINT = re.compile(r"model\.ckpt-(\d+)\.index")


class _Checkpoint:
    """The newest checkpoint in a run folder of the original.

    Raises:
        UsageError: there is none, or it is damaged.
    """

    def __init__(self, path: str | pathlib.Path):
        folder = expanded(path) / "tf"
        found = {int(m[1]): p for p in folder.glob("*") if (m := CHECKPOINT.fullmatch(p.name))}
        if not found:
            raise UsageError(f"no checkpoint of the original program in {folder}: model.ckpt-N.*")
        self.prefix = found[max(found)].with_suffix("")
        try:
            self._reader = tf.train.load_checkpoint(str(self.prefix))
            self.shapes = self._reader.get_variable_to_shape_map()
        except ImportError as error:
            raise UsageError(f"reading {self.prefix} needs TensorFlow ({error})") from error
        except Exception as error:  # TensorFlow raises several kinds for a damaged file
            raise UsageError(f"{self.prefix} is damaged ({error})") from error

    def shape(self, name: str) -> tuple[int, ...]:
        """A variable's shape; raises UsageError if there is no such variable."""
        if name not in self.shapes:
            raise UsageError(f"{self.prefix} has no variable {name}: it is of another model")
        return tuple(self.shapes[name])

    def read(self, name: str) -> np.ndarray:
        """A variable's value; raises UsageError if it is missing or damaged."""
        self.shape(name)
        try:
            return np.asarray(self._reader.get_tensor(name))
        except Exception as error:
            raise UsageError(f"{self.prefix} is damaged at {name} ({error})") from error


def load(path: str | pathlib.Path) -> "Autoencoder":
    """Load a run of the original program.

    Args:
        path: the run's folder, `<class>_<setting><value>_...`.

    Returns:
        The `Autoencoder`, compiled, with the original's weights, probe and Adam moments;
        `optimizer.iterations` is the step of the checkpoint.

    Raises:
        UsageError: it is not such a folder, or its variables do not fit its name.
    """
    from acai_tf.models.optimizer import adam  # imports Keras

    original, settings = parse(path)
    checkpoint, scales = _Checkpoint(path), settings.pop("scales")
    code_size, classes = checkpoint.shape("single_layer_classifier/dense/kernel")
    *_, colors, _ = checkpoint.shape(f"{original.encoder}/conv2d/kernel")
    width = math.isqrt(code_size // settings["latent"])
    config = Config(latent_width=width, dataset=dataset_of(path) or "lines", **settings)
    model = build_model(config, (width << scales, width << scales, colors), classes)
    model.compile(optimizer=adam(model, config.lr))
    restore(path, model)
    return model


def restore(path: str | pathlib.Path, model: "Autoencoder") -> int:
    """Set the variables of a model and its optimizer from a run folder of the original.

    If it raises, no variable has changed. If the checkpoint has no Adam moments, they keep their
    values.

    Args:
        path: the run's folder.
        model: compiled, its optimizer built.

    Returns:
        The step of the checkpoint.

    Raises:
        UsageError: no checkpoint, or a variable is missing or has another shape.
    """
    checkpoint, original = _Checkpoint(path), parse(path)[0]
    if model.config.model == "vqvae" and model.config.zero_debias:
        raise UsageError(f"--zero_debias is for new codebooks, not for that of {checkpoint.prefix}")
    variables = [(v, original_name(original, v.path)) for v in model.weights]
    if any(name.endswith("/Adam") for name in checkpoint.shapes):
        slots = {v.path: v for v in model.optimizer.variables}
        for variable in model.trainable_variables:
            slot = f"{model.optimizer.name}/{variable.path.replace('/', '_')}"
            name = original_name(original, variable.path)
            variables.append((slots[f"{slot}_momentum"], f"{name}/Adam"))
            variables.append((slots[f"{slot}_velocity"], f"{name}/Adam_1"))
    else:
        print(f"{checkpoint.prefix} has no moments of Adam; they begin at 0")
    values = []
    for variable, name in variables:
        shape = checkpoint.shape(name)
        if variable.path.startswith("codebook/"):  # the original's have more axes, of length 1
            shape = shape[-len(variable.shape) :]
        if shape != tuple(variable.shape):
            raise UsageError(
                f"{checkpoint.prefix}: {name} has shape {shape}, {variable.path} of the model has"
                f" {tuple(variable.shape)}"
            )
        values.append(checkpoint.read(name).reshape(shape))
    step = int(checkpoint.read("global_step"))
    for (variable, _), value in zip(variables, values, strict=True):
        variable.assign(value)
    model.optimizer.iterations.assign(step)
    return step


def original_name(original: OriginalClass, path: str) -> str:
    """`encoder/conv3/kernel` -> `ae_enc/conv2d_3/kernel`."""
    scopes = {"encoder": original.encoder, "decoder": original.decoder, **SCOPES}
    scope = next(here for here in scopes if path == here or path.startswith(f"{here}/"))
    rest = path.removeprefix(scope)
    rest = re.sub(r"/conv(\d+)/", r"/conv2d_\1/", rest).replace("/conv2d_0/", "/conv2d/")
    rest = re.sub(r"/dense(\d+)/", r"/dense_\1/", rest).replace("/dense_0/", "/dense/")
    return scopes[scope] + rest
