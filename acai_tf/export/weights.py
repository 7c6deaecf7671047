"""Every variable by its path, as in a checkpoint: `acai_tf.checkpoints.restore` reads it."""

import pathlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write weights.npz; these are all weights, a critic's included."""
    np.savez(folder / "weights.npz", **{v.path: np.asarray(v) for v in model.weights})
