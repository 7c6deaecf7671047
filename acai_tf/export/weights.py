"""Every variable by its path, as in a checkpoint."""

import pathlib

import numpy as np

from acai_tf.models.autoencoder import Autoencoder
from acai_tf.training import checkpoints


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write weights.npz, always with the critic."""
    weights = checkpoints.weights(model)
    np.savez(folder / "weights.npz", **{name: np.asarray(v) for name, v in weights.items()})
