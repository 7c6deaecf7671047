"""The registry of autoencoders: name -> where its class is."""

import importlib
from typing import TYPE_CHECKING

from acai_tf.config import Config, changed_settings, refuse_unread
from acai_tf.errors import UsageError

if TYPE_CHECKING:
    from acai_tf.models.base import Autoencoder

# Named by module so that the list is there without importing Keras.
MODELS = {
    "baseline": "acai_tf.models.baseline:Baseline",
    "acai": "acai_tf.models.acai:ACAI",
}


def model_class(name: str) -> type["Autoencoder"]:
    """The class registered as `name`.

    Raises:
        UsageError: no such model; lists the known ones.
    """
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    module, attribute = MODELS[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def build_model(config: Config, image_shape: tuple[int, int, int], classes: int) -> "Autoencoder":
    """The model that `config` describes, built, with fresh weights.

    Args:
        config: the run's settings.
        image_shape: (height, width, colors), height = width.
        classes: number of classes the probe tells apart.

    Raises:
        UsageError: unknown model, a setting it does not read, a latent_width that does not fit.
    """
    cls = model_class(config.model)
    refuse_unread(config.model, cls.settings, changed_settings(config))
    return cls(config=config, image_shape=image_shape, classes=classes)
