"""Keras' own format: `keras.saving.load_model` gives the model, with this package imported."""

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write model.keras; it is the whole model, its critic always included."""
    model.save(folder / "model.keras")
