"""Reconstructions: what the decoder's output means, and the loss that follows."""

import math

import keras
from keras import ops

from acai_tf import backend
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.models import losses, networks
from acai_tf.models.inference import check_images, check_tokens


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
        vocabulary: of tokens.

    Examples:
        >>> class AbsoluteError(acai_tf.Reconstruction):
        ...     log_names = ("loss_mae",)
        ...
        ...     def loss(self, x, y):
        ...         return keras.ops.mean(keras.ops.abs(x - y))
        >>> model = acai_tf.Autoencoder(encoder, decoder, reconstruction=AbsoluteError())
    """

    log_names: tuple[str, ...] = ()
    vocabulary: Vocabulary | None = None

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

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of inputs if the encoder takes `shape`, both without the batch."""
        return shape

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
    """Negative log-likelihood -log p(x) of tokens x, with logits y; the mean over tokens.

    Inputs are integers [B, ...] in [0, levels). Networks read them as one-hot vectors
    [B, ..., levels], in which a Dense layer is an embedding; "images" are probabilities of that
    shape, which inference methods take too. Logs `loss_ae`, in nats; summed, `loss_ll`, the
    log-likelihood.

    Args:
        levels: number of values a token takes; the decoder ends with as many logits. Or the
            tokens' texts, an `acai_tf.Vocabulary`.
        summed: sum over tokens, as a VAE's likelihood does.

    Examples:
        >>> tokens = acai_tf.Categorical(levels=5)
        >>> tokens.output_shape((7,))
        (7, 5)
    """

    def __init__(self, levels: int | Vocabulary, summed: bool = False):
        self.vocabulary = levels if isinstance(levels, Vocabulary) else Vocabulary.numbers(levels)
        self.levels, self.summed = len(self.vocabulary), summed
        self.log_names = ("loss_ll" if summed else "loss_ae",)

    def check(self, x, shape):
        check_tokens(x, shape, self.levels)

    def prepare(self, x):
        if "int" in keras.backend.standardize_dtype(x.dtype):
            return ops.one_hot(ops.cast(x, "int32"), self.levels)
        return ops.cast(x, "float32")

    def image(self, y):
        return ops.softmax(y)

    def input_shape(self, shape):
        networks.check_shape("encoder's input", shape, (*shape[:-1], self.levels))
        return shape[:-1]

    def output_shape(self, shape):
        return (*shape, self.levels)

    def scale(self, shape):
        return float(math.prod(shape)) if self.summed else 1.0

    def loss(self, x, y):
        log_likelihood = losses.categorical_log_likelihood(logits=y, target=x)
        tokens = 1 if self.summed else math.prod(y.shape[1:-1])
        return -log_likelihood / tokens

    def logs(self, loss):
        return {self.log_names[0]: -loss if self.summed else loss}

    def get_config(self):
        return {"levels": self.vocabulary.to_dict(), "summed": self.summed}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "levels": Vocabulary.from_dict(config["levels"])})
