"""Keras' own format; `keras.saving.load_model` reads it once acai_tf is imported."""

import pathlib

from acai_tf.models.autoencoder import Autoencoder


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write model.keras, always with the critic."""
    model.save(folder / "model.keras")
