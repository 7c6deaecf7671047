"""Checkpoints of the original TensorFlow 1 program.

It kept a run in <train_dir>/<dataset>/<class>_<setting><value>_.../tf/model.ckpt-N.*; the settings
of the model are in the folder's name and nowhere else.
"""

import math
import pathlib
import re
from typing import NamedTuple

import numpy as np

from acai_tf.config import Config, setting_kinds
from acai_tf.errors import UsageError

SIZE = 32  # of all images that the original trained on


class OriginalClass(NamedTuple):
    """A model of the original: what it is called here, its own settings, its two scopes."""

    model: str
    settings: tuple[str, ...] = ()
    encoder: str = "ae_enc"
    decoder: str = "ae_dec"


CLASSES = {
    "AEBaseline": OriginalClass("baseline", (), "ae_encoder", "ae_decoder"),
    "AEDenoising": OriginalClass("denoising", ("noise",), "ae_encoder", "ae_decoder"),
    "AEDropout": OriginalClass("dropout", ("dropout",), "ae_encoder", "ae_decoder"),
    "VAE": OriginalClass("vae", ("beta",)),
    "AAE": OriginalClass("aae", ("adversary_lr", "disc_layer_sizes")),
    "AEVQVAE": OriginalClass(
        "vqvae", ("beta", "num_latents", "z_log_size"), "ae_encoder", "vqvae/ae_decoder"
    ),
    "ACAI": OriginalClass("acai", ("advdepth", "advweight", "reg")),
}
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
COLORS = "conv2d/kernel"  # the encoder's first convolution


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
    from acai_tf.optimizer import adam

    original, settings = parse(path)
    reader, prefix = _open(path)
    shapes = reader.get_variable_to_shape_map()
    for name in (PROBE, f"{original.encoder}/{COLORS}"):
        if name not in shapes:
            raise UsageError(f"{prefix} has no variable {name}: it is of another program")
    code_size, classes = shapes[PROBE]
    width = math.isqrt(code_size // settings["latent"])
    if width * width * settings["latent"] != code_size:
        raise UsageError(
            f"{prefix}: {PROBE} reads {code_size} values, which is no square map of"
            f" {settings['latent']} channels"
        )
    config = Config(latent_width=width, **{n: v for n, v in settings.items() if n != "scales"})
    size, colors = width << settings["scales"], shapes[f"{original.encoder}/{COLORS}"][2]
    model = build_model(config, (size, size, colors), classes)
    model.compile(optimizer=adam(model))
    restore(path, model)
    return model


def settings_as_words(path: str | pathlib.Path) -> list[str]:
    """The settings in a run folder's name as words of a command line for train.py."""
    _, settings = parse(path)
    settings["latent_width"] = SIZE >> settings.pop("scales")
    return [f"--{name}={value}" for name, value in settings.items()]


def restore(path: str | pathlib.Path, model) -> int:
    """Set the model's variables, and its optimizer's, from a run folder of the original.

    All or nothing: where it raises, no variable has changed. Moments that are not in the
    checkpoint are left as they are.

    Args:
        path: the run's folder.
        model: compiled, its optimizer built.

    Returns:
        The step it was saved at.

    Raises:
        UsageError: no checkpoint, or of another shape; names the variable.
    """
    original, _ = parse(path)
    reader, prefix = _open(path)
    shapes = reader.get_variable_to_shape_map()
    step = int(_read(reader, prefix, "global_step")) if "global_step" in shapes else 0
    sources = {v.path: (v, original_name(original, v.path)) for v in model.weights}
    slots = {v.path: v for v in model.optimizer.variables}
    for variable in model.trainable_variables:
        for here, there in (("momentum", "Adam"), ("velocity", "Adam_1")):
            slot = f"{model.optimizer.name}/{variable.path.replace('/', '_')}_{here}"
            name = f"{sources[variable.path][1]}/{there}"
            if name in shapes:
                sources[slot] = (slots[slot], name)
    values = {}
    for path_here, (variable, name) in sources.items():
        if name not in shapes:
            raise UsageError(f"{prefix} has no variable {name}: it is of another model")
        found = tuple(shapes[name])
        if path_here.startswith("codebook/"):  # theirs have axes of one for blocks and residuals
            found = tuple(size for size in found if size != 1)
        if found != tuple(variable.shape):
            raise UsageError(
                f"{prefix}: {name} has shape {found}, {path_here} of the model is"
                f" {tuple(variable.shape)}"
            )
        values[path_here] = _read(reader, prefix, name).reshape(found)
    for path_here, (variable, _) in sources.items():
        variable.assign(values[path_here])
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


def parse(path: str | pathlib.Path) -> tuple[OriginalClass, dict]:
    """The class of a run folder's model and its settings, `scales` among them.

    Raises:
        UsageError: it is not called as the original called its folders.
    """
    name = pathlib.Path(path).expanduser().resolve().name
    original = CLASSES.get(name.partition("_")[0])
    if original:
        names = sorted(("depth", "latent", "scales", *original.settings))
        pattern = "_".join(f"{n}(?P<{n}>[^_]+)" for n in names)
        match = re.fullmatch(pattern, name.partition("_")[2])
        kinds = {**setting_kinds(), "scales": int}
        try:
            values = {n: kinds[n](match[n]) for n in names}
            return original, {"model": original.model, **values}
        except (TypeError, ValueError):  # no match, or not of its kind
            pass
    raise UsageError(
        f"{path} is not a run folder of the original program: those are called <class>_<settings>,"
        f" as VAE_beta1.0_depth16_latent2_scales3, with <class> one of {', '.join(CLASSES)}"
    )


def _open(path):
    """A reader of the newest checkpoint of a run folder, and what the checkpoint is called."""
    folder = pathlib.Path(path).expanduser() / "tf"
    found = {int(m[1]): m[0] for p in folder.glob("*") if (m := re.match(_CHECKPOINT, p.name))}
    if not found:
        raise UsageError(f"no checkpoint of the original program in {folder} (model.ckpt-N.index)")
    prefix = folder / found[max(found)].removesuffix(".index")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UsageError(f"reading {prefix} needs TensorFlow, which is not installed") from error
    try:
        return tf.train.load_checkpoint(str(prefix)), prefix
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise UsageError(f"{prefix} is damaged ({error})") from error


_CHECKPOINT = r"model\.ckpt-(\d+)\.index$"


def _read(reader, prefix, name: str) -> np.ndarray:
    import tensorflow as tf

    try:
        return np.asarray(reader.get_tensor(name))
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise UsageError(f"{prefix} is damaged at {name} ({error})") from error
