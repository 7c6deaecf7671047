"""The registry of autoencoders: name -> where its class is."""

import importlib
from typing import TYPE_CHECKING, NamedTuple

from acai_tf.config import Config, changed_settings, specific_settings
from acai_tf.errors import UsageError

if TYPE_CHECKING:
    from acai_tf.models.base import Autoencoder


class Registered(NamedTuple):
    """A model: where its class is, and the model-specific settings of Config that it reads."""

    where: str
    reads: tuple[str, ...] = ()


# Named by module so that the list is there without importing Keras.
MODELS = {
    "baseline": Registered("acai_tf.models.baseline:Baseline"),
    "denoising": Registered("acai_tf.models.denoising:Denoising", ("noise",)),
    "dropout": Registered("acai_tf.models.dropout:Dropout", ("dropout",)),
    "vae": Registered("acai_tf.models.vae:VAE", ("beta",)),
    "aae": Registered("acai_tf.models.aae:AAE", ("adversary_lr", "disc_layer_sizes")),
    "vqvae": Registered(
        "acai_tf.models.vqvae:VQVAE", ("beta", "z_log_size", "num_latents", "zero_debias")
    ),
    "acai": Registered("acai_tf.models.acai:ACAI", ("advweight", "advdepth", "reg")),
}


def refuse_unread(model: str, given: set[str]) -> None:
    """Refuse settings that a model does not read.

    Args:
        model: its name.
        given: names of the settings that were given.

    Raises:
        UsageError: unknown model (lists the known ones), or a setting that it does not read.
    """
    if model not in MODELS:
        raise UsageError(f"unknown model {model!r}; known: {', '.join(MODELS)}")
    reads = MODELS[model].reads
    unread = sorted((given & specific_settings()) - set(reads))
    if unread:
        own = ", ".join(f"--{name}" for name in reads) or "none of its own"
        raise UsageError(
            f"model {model} does not read {', '.join(f'--{name}' for name in unread)}"
            f" (it reads: {own})"
        )


def model_class(name: str) -> type["Autoencoder"]:
    """The class of a model; raises UsageError where there is none of that name."""
    refuse_unread(name, set())
    module, attribute = MODELS[name].where.split(":")
    return getattr(importlib.import_module(module), attribute)


def build_model(config: Config, image_shape: tuple[int, int, int], classes: int) -> "Autoencoder":
    """The model that `config` describes, built, with fresh weights.

    Args:
        config: the run's settings.
        image_shape: (height, width, colors), height = width.
        classes: number of classes the probe tells apart.

    Raises:
        UsageError: unknown model, a setting it does not read, a latent_width that does not fit,
            images that are not square.
    """
    height, width, _ = image_shape
    if height != width:
        raise UsageError(f"images must be square, these are {height}x{width}; crop or pad them")
    refuse_unread(config.model, changed_settings(config))
    return model_class(config.model)(config=config, image_shape=image_shape, classes=classes)
