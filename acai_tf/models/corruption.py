"""Corruptions of the encoder's input in training."""

import keras
import numpy as np
from keras import ops
from scipy.ndimage import gaussian_filter

from acai_tf.errors import UsageError

BLACK = -1.0


class Corruption(keras.layers.Layer):
    """Base class of corruptions, on in training only; a subclass overrides `corrupt`.

    With one, the model learns to reconstruct the clean x from its corrupted x (Vincent et al.
    2010). Inference methods and the probe see the clean x. Random numbers come from `noise`, and so
    depend on (seed, step) alone: a resumed run draws the same ones.

    Examples:
        >>> class Inverted(acai_tf.Corruption):
        ...     def corrupt(self, x, noise):
        ...         return -x
        >>> model = acai_tf.AAE(encoder, decoder, corruption=Inverted())
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.built = True

    def noise(self, seed, shape: tuple) -> dict:
        """The random numbers of one step, {name: tensor [batch, ...]}.

        Args:
            seed: the `seed` of `keras.random`.
            shape: of the input, which includes the batch.
        """
        return {}

    def corrupt(self, x, noise: dict):
        """x [B, ...], corrupted."""
        raise NotImplementedError

    def call(self, x, noise=None):
        return x if noise is None else self.corrupt(x, noise)


@keras.saving.register_keras_serializable("acai_tf")
class GaussianNoise(Corruption):
    """Adds noise n ~ N(0, stddev^2) to the encoder's input in training (Vincent et al. 2010).

    Args:
        stddev: standard deviation, in units of images in [-1, 1], at least 0.

    Raises:
        UsageError: a negative stddev.

    Examples:
        >>> corruption = acai_tf.GaussianNoise(0.5)
        >>> model = acai_tf.Autoencoder(encoder, decoder, corruption=corruption)
    """

    def __init__(self, stddev: float = 1.0, **options):
        super().__init__(**options)
        self.stddev = _checked("stddev", stddev, np.inf)

    def noise(self, seed, shape):
        return {"noise": keras.random.normal(shape, seed=seed)}

    def corrupt(self, x, noise):
        return x + self.stddev * noise["noise"]

    def get_config(self) -> dict:
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable("acai_tf")
class DroppedPixels(Corruption):
    """Makes pixels black in training, all channels together ("masking noise", Vincent et al. 2010).

    Args:
        rate: probability of each pixel, in [0, 1].

    Raises:
        UsageError: a rate outside its range.

    Examples:
        >>> model = acai_tf.AAE(encoder, decoder, corruption=acai_tf.DroppedPixels(rate=0.25))
    """

    def __init__(self, rate: float = 0.25, **options):
        super().__init__(**options)
        self.rate = _checked("rate", rate)

    def noise(self, seed, shape):
        return {"uniform": keras.random.uniform((*shape[:-1], 1), seed=seed)}

    def corrupt(self, x, noise):
        return ops.where(noise["uniform"] < self.rate, BLACK, x)

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable("acai_tf")
class Blur(Corruption):
    """Blurs the encoder's input in training with a Gaussian. Beyond its border, an image continues.

    Args:
        stddev: standard deviation in pixels, at least 0.

    Raises:
        UsageError: a negative stddev.

    Examples:
        >>> model = acai_tf.Baseline(encoder, decoder, corruption=acai_tf.Blur(stddev=1.5))
    """

    def __init__(self, stddev: float = 1.0, **options):
        super().__init__(**options)
        self.stddev = _checked("stddev", stddev, np.inf)

    def corrupt(self, x, noise):
        for axis in range(1, len(x.shape) - 1):
            # The filter is linear: what it makes of unit vectors is its matrix.
            identity = np.eye(x.shape[axis], dtype=np.float32)
            matrix = gaussian_filter(identity, (self.stddev, 0), mode="nearest")
            x = ops.moveaxis(ops.tensordot(matrix, x, axes=(1, axis)), 0, axis)
        return x

    def get_config(self) -> dict:
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable("acai_tf")
class Occlusion(Corruption):
    """Covers a black square at a random place of each image in training (DeVries and Taylor 2017).

    Unlike theirs, the square lies within the image: any place there is as likely as any other.

    Args:
        size: the square's side as a share of the image's shorter one, in [0, 1].

    Raises:
        UsageError: a size outside its range; inputs that are not images.

    Examples:
        >>> model = acai_tf.Baseline(encoder, decoder, corruption=acai_tf.Occlusion(size=0.5))
    """

    def __init__(self, size: float = 0.5, **options):
        super().__init__(**options)
        self.size = _checked("size", size)

    def noise(self, seed, shape):
        if len(shape) != 4:
            raise UsageError(f"{self.name} takes images [B, H, W, C], got {list(shape[1:])}")
        return {"corner": keras.random.uniform((shape[0], 2), seed=seed)}

    def corrupt(self, x, noise):
        height, width = x.shape[1:3]
        side = round(self.size * min(height, width))

        def covered(length, uniform):
            """Which rows, or columns, the square covers, [B, length]."""
            start = ops.expand_dims(ops.floor(uniform * (length - side + 1)), 1)
            place = np.arange(length, dtype=np.float32)
            return ops.logical_and(place >= start, place < start + side)

        rows, columns = (
            covered(height, noise["corner"][:, 0]),
            covered(width, noise["corner"][:, 1]),
        )
        square = ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])
        return ops.where(square, BLACK, x)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}


def _checked(what: str, value: float, high: float = 1.0) -> float:
    if not 0 <= value <= high or value == np.inf:
        raise UsageError(f"corruption: {what} must be in [0, {high:g}], got {value}")
    return value
