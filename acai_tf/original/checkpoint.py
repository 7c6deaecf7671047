"""The original program's checkpoints as our models."""

import math
import pathlib
import re

import numpy as np

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.files import expanded
from acai_tf.lazy import tf
from acai_tf.original.folder import OriginalClass, dataset_of, parse

# Beginning of a path here -> of the name there; those of encoder and decoder differ by class.
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
PROBE = "single_layer_classifier/dense/kernel"
FIRST_KERNEL = "conv2d/kernel"  # of the encoder
CHECKPOINT = re.compile(r"model\.ckpt-(\d+)\.index")


class OriginalRun:
    """A run folder of the original program, its newest checkpoint open.

    Args:
        path: the folder, `<class>_<setting><value>_...`.

    Attributes:
        original, settings: as `parse` returns them.
        shapes: variable's name -> its shape.
        files: where their values are.

    Raises:
        UsageError: it is no such folder, has no checkpoint, or a damaged one.
    """

    def __init__(self, path: str | pathlib.Path):
        self.original, self.settings = parse(path)
        folder = expanded(path) / "tf"
        found = {int(m[1]): p for p in folder.glob("*") if (m := CHECKPOINT.fullmatch(p.name))}
        if not found:
            raise UsageError(f"no checkpoint of the original program in {folder}: model.ckpt-N.*")
        self.prefix = found[max(found)].with_suffix("")
        self.files = sorted(folder.glob(f"{self.prefix.name}.data-*"))
        if not self.files:
            raise UsageError(f"{self.prefix} is damaged ({self.prefix.name}.data-* is missing)")
        try:
            self._reader = tf.train.load_checkpoint(str(self.prefix))
            self.shapes = self._reader.get_variable_to_shape_map()
        except ImportError as error:
            raise UsageError(f"reading {self.prefix} needs TensorFlow ({error})") from error
        except Exception as error:  # a damaged file makes TensorFlow raise several kinds
            raise UsageError(f"{self.prefix} is damaged ({error})") from error

    def read(self, name: str) -> np.ndarray:
        """A variable's value.

        Raises:
            UsageError: it is not there, or damaged.
        """
        self.check(name)
        try:
            value = np.asarray(self._reader.get_tensor(name))
        except Exception as error:
            raise UsageError(f"{self.prefix} is damaged at {name} ({error})") from error
        if value.dtype.kind not in "iuf":
            raise UsageError(f"{self.prefix} is damaged at {name} (it holds no numbers)")
        return value

    def check(self, name: str) -> None:
        """Raises UsageError where there is no variable of that name."""
        if name not in self.shapes:
            raise UsageError(f"{self.prefix} has no variable {name}: it is of another model")


def load(path: str | pathlib.Path):
    """A run of the original program as one of our models.

    Args:
        path: the run's folder, `<class>_<setting><value>_...`.

    Returns:
        The `Autoencoder`, compiled; weights, probe and Adam's moments are the original's, and
        `optimizer.iterations` is the step it was saved at.

    Raises:
        UsageError: it is no such folder, or a variable is not what the folder's name says.
    """
    from acai_tf.models import build_model
    from acai_tf.models.optimizer import adam

    run = OriginalRun(path)
    first = f"{run.original.encoder}/{FIRST_KERNEL}"
    for name, axes in ((PROBE, 2), (first, 4)):
        run.check(name)
        if len(run.shapes[name]) != axes or min(run.shapes[name]) < 1:
            raise UsageError(f"{run.prefix}: {name} has shape {run.shapes[name]}: it is damaged")
    (code_size, classes), colors = run.shapes[PROBE], run.shapes[first][2]
    scales, latent = run.settings["scales"], run.settings["latent"]
    width = math.isqrt(code_size // latent)
    if width * width * latent != code_size:
        raise UsageError(
            f"{run.prefix}: {PROBE} reads {code_size} values, no square map of {latent} channels"
        )
    settings = {name: value for name, value in run.settings.items() if name != "scales"}
    config = Config(latent_width=width, dataset=dataset_of(path) or "lines", **settings)
    image_shape = (width << scales, width << scales, colors)
    model = build_model(config, image_shape, classes)
    model.compile(optimizer=adam(model, model.config.lr))
    _restore(run, model)
    return model


def restore(path: str | pathlib.Path, model) -> int:
    """Set the model's variables, and its optimizer's, from a run folder of the original.

    All or nothing: where it raises, no variable has changed. Where the checkpoint has no moments
    of Adam they are left as they are.

    Args:
        path: the run's folder.
        model: compiled, its optimizer built.

    Returns:
        The step it was saved at.

    Raises:
        UsageError: no checkpoint, or of another shape; names the variable.
    """
    return _restore(OriginalRun(path), model)


def _restore(run: OriginalRun, model) -> int:
    if model.config.model == "vqvae" and model.config.zero_debias:
        raise UsageError(f"--zero_debias is for a new codebook; that of {run.prefix} began biased")
    step = run.read("global_step")
    if step.shape or step.dtype.kind == "f" or step < 0:
        raise UsageError(f"{run.prefix}: global_step is no number of steps: it is damaged")
    sources = {v.path: (v, original_name(run.original, v.path)) for v in model.weights}
    if any(name.endswith("/Adam") for name in run.shapes):
        slots = {v.path: v for v in model.optimizer.variables}
        for variable in model.trainable_variables:
            for here, there in (("momentum", "Adam"), ("velocity", "Adam_1")):
                slot = f"{model.optimizer.name}/{variable.path.replace('/', '_')}_{here}"
                sources[slot] = (slots[slot], f"{sources[variable.path][1]}/{there}")
    else:
        print(f"{run.prefix} has no moments of Adam; they begin at 0")
    values = {}
    for path_here, (variable, name) in sources.items():
        run.check(name)
        found = tuple(run.shapes[name])
        if path_here.startswith("codebook/"):  # theirs have axes of one for blocks and residuals
            found = found[-len(variable.shape) :]
        if found != tuple(variable.shape):
            raise UsageError(
                f"{run.prefix}: {name} has shape {found}, {path_here} of the model is"
                f" {tuple(variable.shape)}"
            )
        values[path_here] = run.read(name).reshape(found)
    for path_here, (variable, _) in sources.items():
        variable.assign(values[path_here])
    model.optimizer.iterations.assign(step)
    return int(step)


def original_name(original: OriginalClass, path: str) -> str:
    """`encoder/conv3/kernel` -> `ae_enc/conv2d_3/kernel`."""
    scopes = {"encoder": original.encoder, "decoder": original.decoder, **SCOPES}
    scope = next(here for here in scopes if path == here or path.startswith(f"{here}/"))
    rest = path.removeprefix(scope)
    rest = re.sub(r"/conv(\d+)/", r"/conv2d_\1/", rest).replace("/conv2d_0/", "/conv2d/")
    rest = re.sub(r"/dense(\d+)/", r"/dense_\1/", rest).replace("/dense_0/", "/dense/")
    return scopes[scope] + rest
