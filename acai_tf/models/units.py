"""Units: the scale of signals, which networks see in about [-1, 1]."""

import keras
import numpy as np
from keras import layers

from acai_tf.errors import UsageError


@keras.saving.register_keras_serializable("acai_tf")
class Units(layers.Layer):
    """An offset and a factor for each channel: x = offset + factor * (what the networks see).

    They are weights that nobody trains, so that runs and exports keep them. At first they change
    nothing.

    Args:
        channels: C of the inputs [B, ..., C].

    Examples:
        >>> units = acai_tf.Units(channels=1)
        >>> units.set([20.0], [5.0])
        >>> float(units.scaled(np.array([[25.0]]))[0, 0])
        1.0
    """

    def __init__(self, channels: int, name: str = "units", **options):
        super().__init__(name=name, **options)
        self.channels = channels
        weight = {"shape": (channels,), "trainable": False, "dtype": "float32"}
        self.offset = self.add_weight(initializer="zeros", name="offset", **weight)
        self.factor = self.add_weight(initializer="ones", name="factor", **weight)
        self.built = True

    def set(self, offset, factor) -> None:
        """Set both, [C]; raises UsageError unless they are finite numbers and factors positive."""
        offset, factor = np.asarray(offset, np.float32), np.asarray(factor, np.float32)
        if not (np.isfinite(offset).all() and np.isfinite(factor).all() and (factor > 0).all()):
            raise UsageError(f"units must be finite, and factors positive: {offset}, {factor}")
        self.offset.assign(offset)
        self.factor.assign(factor)

    def scaled(self, x):
        """Inputs as the networks see them."""
        return (x - self.offset) / self.factor

    def restored(self, x):
        """What the networks make, in the inputs' units."""
        return self.offset + self.factor * x

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
