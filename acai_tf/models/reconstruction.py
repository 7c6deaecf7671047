"""What the decoder's output means, and the loss that goes with it."""

import math

import keras
from keras import ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.models import losses
from acai_tf.models.inference import check_images


def to_unit(images):
    """Images as the networks take them: uint8 becomes float32 in [-1, 1], floats pass."""
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return ops.cast(images, "float32") * (2.0 / 255) - 1.0
    return ops.cast(images, "float32")


class Reconstruction:
    """Base class: how well the decoder's output y explains the input x.

    A regularizer weighs its losses in units of the reconstruction loss per element: `scale` is
    how many elements the loss sums over, 1 where it is their mean.
    """

    log_names: tuple[str, ...] = ()

    def check(self, x, shape: tuple[int, ...]) -> None:
        """Raises UsageError where x [B, *shape] is not what the model takes."""
        check_images(x, shape)

    def prepare(self, x):
        """Input as the encoder takes it."""
        return to_unit(x)

    def target(self, x):
        """Prepared input, in the space of `image`: what the critic takes for real."""
        return x

    def image(self, y):
        """The decoder's output as an image: the mean of p(x | z)."""
        return y

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the decoder's output for inputs of `shape`, both without the batch."""
        return shape

    def scale(self, shape: tuple[int, ...]) -> float:
        """Number of elements that the loss sums over, for inputs of `shape`."""
        return 1.0

    def loss(self, x, y):
        """The loss that the autoencoder minimises: prepared input, decoder's output -> scalar."""
        raise NotImplementedError

    def logs(self, loss) -> dict:
        """{name in log_names: scalar} of a loss."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("acai_tf")
class SquaredError(Reconstruction):
    """Mean squared error ||x - y||^2 over every pixel and channel (eq. 1); y is the image."""

    log_names = ("loss_ae", "rmse")

    def loss(self, x, y):
        return losses.reconstruction(x=x, x_hat=y)

    def logs(self, loss):
        mse = backend.mean_over_replicas({"mse": loss})["mse"]  # before the root
        return {"loss_ae": loss, "rmse": losses.rmse_255(mse)}


@keras.saving.register_keras_serializable("acai_tf")
class Bernoulli(Reconstruction):
    """-log p((x + 1) / 2) with y the logits; summed over pixels, as a VAE's likelihood is."""

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
    """-log p(x) for whole numbers x [B, ...] in 0..levels-1, y the logits [B, ..., levels].

    The loss is the mean over elements; "images" are probabilities [B, ..., levels].

    Args:
        levels: number of values that an element takes.
    """

    log_names = ("loss_ae",)

    def __init__(self, levels: int):
        self.levels = levels

    def check(self, x, shape):
        if tuple(x.shape[1:]) != tuple(shape) or "int" not in str(x.dtype):
            raise UsageError(
                f"the model takes whole numbers [B, {', '.join(map(str, shape))}] below"
                f" {self.levels}, these are {x.dtype} {list(x.shape)}"
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

    def logs(self, loss):
        return {"loss_ae": loss}

    def get_config(self):
        return {"levels": self.levels}
