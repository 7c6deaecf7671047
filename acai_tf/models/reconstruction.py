"""Reconstructions: what the decoder's output means, and the loss that follows."""

import math

import keras
from keras import ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.models import losses
from acai_tf.models.inference import check_images


def to_unit(images):
    """Images as the networks take them, float32; uint8 is scaled to [-1, 1]."""
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return ops.cast(images, "float32") * (2.0 / 255) - 1.0
    return ops.cast(images, "float32")


class Reconstruction:
    """Base class: a loss between the input x and the decoder's output y.

    Its images are in [-1, 1], and y is an image. A subclass overrides `loss` and what differs.

    Attributes:
        log_names: names of the scalars that `logs` returns.

    Examples:
        >>> class AbsoluteError(acai_tf.Reconstruction):
        ...     log_names = ("loss_mae",)
        ...
        ...     def loss(self, x, y):
        ...         return keras.ops.mean(keras.ops.abs(x - y))
        >>> model = acai_tf.Autoencoder(encoder, decoder, reconstruction=AbsoluteError())
    """

    log_names: tuple[str, ...] = ()

    def check(self, x, shape: tuple[int, ...]) -> None:
        """Raise UsageError unless x is a batch [B, *shape] that the model takes."""
        check_images(x, shape)

    def prepare(self, x):
        """Input as the encoder takes it."""
        return to_unit(x)

    def target(self, x):
        """Prepared input in the space of `image`: a critic's real images."""
        return x

    def image(self, y):
        """The decoder's output as an image: the mean of p(x | z)."""
        return y

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the decoder's output for inputs of `shape`, both without the batch."""
        return shape

    def scale(self, shape: tuple[int, ...]) -> float:
        """How many elements the loss sums over; 1 for a mean. Regularizers scale with it."""
        return 1.0

    def loss(self, x, y):
        """The loss, a scalar, of prepared inputs x and decoder outputs y."""
        raise NotImplementedError

    def logs(self, loss) -> dict:
        """{name in log_names: scalar}; the loss, if not overridden."""
        return dict.fromkeys(self.log_names, loss)

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("acai_tf")
class SquaredError(Reconstruction):
    """Mean squared error ||x - y||^2 over every pixel and channel (eq. 1); y is the image.

    Logs `loss_ae`, and `rmse`: its root on the 0..255 scale.

    Examples:
        >>> model = acai_tf.Autoencoder(encoder, decoder, reconstruction=acai_tf.SquaredError())
    """

    log_names = ("loss_ae", "rmse")

    def loss(self, x, y):
        return losses.reconstruction(x=x, x_hat=y)

    def logs(self, loss):
        mse = backend.mean_over_replicas({"mse": loss})["mse"]  # the mean before the root
        return {"loss_ae": loss, "rmse": losses.rmse_255(mse)}


@keras.saving.register_keras_serializable("acai_tf")
class Bernoulli(Reconstruction):
    """Negative log-likelihood -log p((x + 1) / 2) of a Bernoulli with logits y.

    Summed over pixels and averaged over the batch, as a VAE's likelihood (Kingma and Welling 2014).
    Logs `loss_ll`, the log-likelihood in nats.

    Examples:
        >>> model = acai_tf.Autoencoder(
        ...     encoder, decoder, acai_tf.Gaussian(), reconstruction=acai_tf.Bernoulli())
    """

    log_names = ("loss_ll",)

    def image(self, y):
        return 2 * ops.sigmoid(y) - 1

    def scale(self, shape):
        return float(math.prod(shape))

    def loss(self, x, y):
        return -losses.bernoulli_log_likelihood(logits=y, target=0.5 * (x + 1))

    def logs(self, loss):
        return {"loss_ll": -loss}


@keras.saving.register_keras_serializable("acai_tf")
class Categorical(Reconstruction):
    """Negative log-likelihood -log p(x) of integers x, with logits y; the mean over elements.

    Inputs are integers [B, ...] in [0, levels); "images" are probabilities [B, ..., levels].
    Logs `loss_ae`.

    Args:
        levels: number of values an element takes; the decoder ends with as many logits.

    Examples:
        >>> tokens = acai_tf.Categorical(levels=5)
        >>> tokens.output_shape((7,))
        (7, 5)
    """

    log_names = ("loss_ae",)

    def __init__(self, levels: int):
        self.levels = levels

    def check(self, x, shape):
        if tuple(x.shape[1:]) != tuple(shape) or "int" not in str(x.dtype):
            raise UsageError(
                f"the model takes whole numbers [B, {', '.join(map(str, shape))}] below"
                f" {self.levels}, got {x.dtype} {list(x.shape)}"
            )

    def prepare(self, x):
        return ops.cast(x, "int32")

    def target(self, x):
        return ops.one_hot(x, self.levels)

    def image(self, y):
        return ops.softmax(y)

    def output_shape(self, shape):
        return (*shape, self.levels)

    def loss(self, x, y):
        return losses.cross_entropy(logits=y, label=x)

    def get_config(self):
        return {"levels": self.levels}
