"""Every variable by its name, as in a checkpoint."""

import pathlib
from typing import TYPE_CHECKING

import numpy as np

from acai_tf.training.checkpoints import weights

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write weights.npz; these are all weights, a critic's included."""
    np.savez(folder / "weights.npz", **{n: np.asarray(v) for n, v in weights(model).items()})
