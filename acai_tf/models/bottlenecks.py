"""Bottlenecks: from the encoder's output h to the code z that the decoder reads.

h, codes and the decoder's input have the same shape [B, ...].
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from acai_tf import backend
from acai_tf.models import losses

DECAY = 0.999  # of the codebook's moving averages
EPSILON = 1e-5  # keeps the counts of unused codes above 0
FILTER_SIZE = 512  # units of the hidden layer between quantized code and decoder


class Pass(NamedTuple):
    """What a bottleneck makes of h in training.

    Attributes:
        latent: what the decoder reads.
        probed: what the probe reads.
        loss: added to the autoencoder's loss.
        logs: {name in log_names: scalar}.
        update: called after the forward pass to assign variables.
    """

    latent: Any
    probed: Any
    loss: Any = 0.0
    logs: Mapping[str, Any] = MappingProxyType({})
    update: Callable[[], None] | None = None


class Bottleneck(layers.Layer):
    """Base class: the code is the encoder's output. A subclass overrides what differs.

    Attributes:
        log_names: names of the scalars in `Pass.logs`.
        samples: True if the decoder reads a sample in training, not the code.
        continuous: False if what the decoder reads of a code changes in steps.

    Examples:
        >>> class UnitSphere(acai_tf.Bottleneck):
        ...     def code(self, h):
        ...         return keras.ops.normalize(h)
        >>> model = acai_tf.Autoencoder(encoder, decoder, UnitSphere())
    """

    log_names: tuple[str, ...] = ()
    samples = False
    continuous = True

    def __init__(self, **options):
        super().__init__(**options)
        self.built = True

    def attach(self, shape: tuple[int, ...]) -> None:
        """Make the weights for encoder outputs of `shape`, without the batch."""
        self.shape = shape

    def noise(self, seed, batch) -> dict:
        """The step's random numbers, {name: tensor [batch, ...]}."""
        return {}

    def code(self, h):
        """The code that `encode` returns and interpolations act on."""
        return h

    def latent(self, code, noise: dict | None = None):
        """What the decoder reads of a code; with `noise` as in training."""
        return code

    def probed(self, h):
        """What the probe reads."""
        return h

    def train(self, h, noise: dict) -> Pass:
        """One training pass."""
        return Pass(self.latent(self.code(h), noise), self.probed(h))

    def call(self, h):
        return self.latent(self.code(h))


@keras.saving.register_keras_serializable("acai_tf")
class Deterministic(Bottleneck):
    """The code is the encoder's output.

    Examples:
        >>> model = acai_tf.Autoencoder(encoder, decoder, acai_tf.Deterministic())
    """


@keras.saving.register_keras_serializable("acai_tf")
class CodeDropout(Bottleneck):
    """Dropout on the code in training: m z / keep, each value of m 1 with probability keep.

    Args:
        keep: probability to KEEP a value, in (0, 1].

    Examples:
        >>> model = acai_tf.Autoencoder(encoder, decoder, acai_tf.CodeDropout(keep=0.75))
    """

    def __init__(self, keep: float = 0.5, **options):
        super().__init__(**options)
        self.keep = keep

    def noise(self, seed, batch):
        uniform = keras.random.uniform((batch, *self.shape), seed=seed)
        return {"keep_mask": ops.cast(uniform < self.keep, "float32")}

    def latent(self, code, noise=None):
        if noise is None:
            return code
        return code * ops.reshape(noise["keep_mask"], ops.shape(code)) / self.keep

    def get_config(self):
        return {**super().get_config(), "keep": self.keep}


@keras.saving.register_keras_serializable("acai_tf")
class Gaussian(Bottleneck):
    """A VAE's posterior q(z | x) = N(mu, sigma^2), with beta KL(q || N(0, I)) as a loss.

    Two dense layers on the flattened h give mu and log sigma^2. The code is mu; in training the
    decoder reads mu + sigma epsilon. As in the original program, the probe reads h. Logs
    `loss_kl`.

    Args:
        beta: weight of the KL term, which is summed over the code.

    Examples:
        >>> model = acai_tf.Autoencoder(encoder, decoder, acai_tf.Gaussian(beta=0.1))
    """

    log_names = ("loss_kl",)
    samples = True

    def __init__(self, beta: float = 1.0, **options):
        super().__init__(**options)
        self.beta = beta

    def attach(self, shape):
        self.shape, size = shape, math.prod(shape)
        self.mu = layers.Dense(size, name="mu")
        self.log_variance = layers.Dense(size, name="log_variance")
        for layer in (self.mu, self.log_variance):
            layer.build((None, size))

    def noise(self, seed, batch):
        return {"epsilon": keras.random.normal((batch, math.prod(self.shape)), seed=seed)}

    def posterior(self, h):
        """mu and log sigma^2 of q(z | x), [B, d] each."""
        flat = ops.reshape(h, (-1, math.prod(self.shape)))
        return self.mu(flat), self.log_variance(flat)

    def sample(self, mu, log_variance, epsilon):
        """mu + sigma epsilon, all [B, d] -> codes [B, ...]."""
        return ops.reshape(mu + ops.exp(0.5 * log_variance) * epsilon, (-1, *self.shape))

    def code(self, h, epsilon=None):
        """mu; or a sample of q, with epsilon ~ N(0, I), [B, d]."""
        if epsilon is None:  # without log sigma^2, whose weights exports then leave out
            flat = ops.reshape(h, (-1, math.prod(self.shape)))
            return ops.reshape(self.mu(flat), (-1, *self.shape))
        return self.sample(*self.posterior(h), epsilon)

    def train(self, h, noise):
        mu, log_variance = self.posterior(h)
        z = self.sample(mu, log_variance, noise["epsilon"])
        loss_kl = losses.kl_to_unit_normal(mu=mu, log_variance=log_variance)
        return Pass(z, h, self.beta * loss_kl, {"loss_kl": loss_kl})

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


class Codebook(layers.Layer):
    """K codes of d values, each the moving average of the vectors nearest to it.

    The original program starts the averages with counts of 0, but with sums at the codes
    themselves. The first updates multiply codes by up to a thousand, and for some ten thousand
    steps, until that has decayed, few codes are near any vector.

    Args:
        size: K.
        width: d.
        zero_debias: start sums at 0 as well and correct the averages' bias towards 0, as Adam
            does. A code that no vector has been near keeps its initial value.
    """

    def __init__(self, size: int, width: int, zero_debias: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.zero_debias = zero_debias
        limit = (3 / size) ** 0.5  # TF1's uniform unit scaling, which takes K as the fan-in
        uniform = keras.initializers.RandomUniform(-limit, limit)

        def weight(shape, initializer, name):
            # All replicas compute the same update.
            options = {"trainable": False, "aggregation": "only_first_replica", "dtype": "float32"}
            return self.add_weight(shape, initializer, name=name, **options)

        self.means = weight((size, width), uniform, "means")
        self.ema_count = weight((size,), "zeros", "ema_count")
        self.ema_sums = weight((size, width), "zeros", "ema_sums")
        if not zero_debias:
            self.ema_sums.assign(ops.copy(self.means.value))  # JAX donates each buffer once
        self.built = True

    def nearest(self, x):
        """Index of the code nearest to each vector, [N, d] -> [N]."""
        squares = ops.sum(ops.square(self.means), axis=1)  # |x|^2 is the same for all codes
        return backend.argmin(squares - 2 * ops.matmul(x, ops.transpose(self.means)), axis=1)

    def update(self, x, index):
        """Update averages and codes with vectors x [N, d], whose nearest codes are `index` [N].

        zero_debias requires the same N at every step.
        """
        used = ops.segment_sum(ops.ones_like(index, "float32"), index, self.size)
        self.ema_count.assign(DECAY * self.ema_count + (1 - DECAY) * used)
        sums = ops.segment_sum(x, index, self.size)
        self.ema_sums.assign(DECAY * self.ema_sums + (1 - DECAY) * sums)
        count, sums = self.ema_count.value, self.ema_sums.value
        if self.zero_debias:
            # After t steps of N vectors each the counts add up to (1 - DECAY^t) N.
            unbias = ops.cast(ops.shape(index)[0], count.dtype) / ops.sum(count)
            count, sums = count * unbias, sums * unbias
        total = ops.sum(count)
        smoothed = (count + EPSILON) / (total + self.size * EPSILON) * total
        means = sums / ops.expand_dims(smoothed, 1)
        if self.zero_debias:
            means = ops.where(ops.expand_dims(count, 1) > 0, means, self.means.value)
        self.means.assign(means)


@keras.saving.register_keras_serializable("acai_tf")
class VectorQuantized(Bottleneck):
    """Vector quantization with a moving-average codebook (van den Oord et al. 2017).

    A dense layer projects the flattened h to `num_latents` vectors v. Each is replaced by the
    nearest of `size` codes e, with a straight-through gradient. Two dense layers map them back to
    h's shape, for the decoder and the probe. The loss is beta ||v - stop_gradient(e)||^2, logged
    as `loss_commitment`. Training passes update the codebook, not gradients.

    As in the original program, `encode` returns h, and decoding quantizes it.

    Args:
        size: number of codes.
        num_latents: codes per image.
        beta: weight of the commitment loss.
        zero_debias: start the codebook's averages without the original's bias.

    Examples:
        >>> bottleneck = acai_tf.VectorQuantized(size=64, num_latents=4, zero_debias=True)
        >>> model = acai_tf.Autoencoder(encoder, decoder, bottleneck)
    """

    log_names = ("loss_commitment",)
    continuous = False

    def __init__(
        self,
        size: int = 2**14,
        num_latents: int = 10,
        beta: float = 10.0,
        zero_debias: bool = False,
        **options,
    ):
        super().__init__(**options)
        self.size, self.num_latents = size, num_latents
        self.beta, self.zero_debias = beta, zero_debias

    def attach(self, shape):
        self.shape, width = shape, math.prod(shape)
        self.codebook = Codebook(self.size, width, self.zero_debias, name="codebook")
        self.project = layers.Dense(width * self.num_latents, name="project")
        self.hidden = layers.Dense(FILTER_SIZE, activation="relu", name="hidden")
        self.restore = layers.Dense(width, name="restore")
        self.project.build((None, width))
        self.hidden.build((None, width * self.num_latents))
        self.restore.build((None, FILTER_SIZE))

    def quantized(self, h):
        """What the decoder reads of h, and how it comes about.

        Returns:
            (decoder input [B, ...], v [B * num_latents, d], indices of their codes
            [B * num_latents], the codes e [B * num_latents, d]).
        """
        width = math.prod(self.shape)
        v = self.project(ops.reshape(h, (-1, width)))  # [B, num_latents * d]
        vectors = ops.reshape(v, (-1, width))
        index = self.codebook.nearest(vectors)
        codes = ops.take(self.codebook.means.value, index, axis=0)
        straight_through = v + ops.stop_gradient(ops.reshape(codes, ops.shape(v)) - v)
        return self._restored(straight_through), vectors, index, codes

    def _restored(self, codes):
        """num_latents codes in a row, [B, num_latents * d] -> the decoder's input [B, ...]."""
        restored = self.restore(self.hidden(ops.relu(codes)))
        return ops.reshape(restored, (-1, *self.shape))

    def indices(self, code):
        """Codes [B, ...] -> indices of the codebook [B, num_latents]."""
        return ops.reshape(self.quantized(code)[2], (-1, self.num_latents))

    def from_indices(self, index):
        """Indices of the codebook [B, num_latents] -> what the decoder reads [B, ...]."""
        codes = ops.take(self.codebook.means.value, index, axis=0)
        return self._restored(ops.reshape(codes, (-1, self.num_latents * math.prod(self.shape))))

    def latent(self, code, noise=None):
        return self.quantized(code)[0]

    def probed(self, h):
        return self.quantized(h)[0]

    def train(self, h, noise):
        latent, vectors, index, codes = self.quantized(h)
        loss = self.beta * losses.reconstruction(x=ops.stop_gradient(codes), x_hat=vectors)

        def update():
            gather = backend.gather_replicas
            self.codebook.update(gather(ops.stop_gradient(vectors)), gather(index))

        return Pass(latent, latent, loss, {"loss_commitment": loss}, update)

    def get_config(self):
        own = ("size", "num_latents", "beta", "zero_debias")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
