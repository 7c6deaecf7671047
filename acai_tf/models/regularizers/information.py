"""Mutual information between an image and its code, without a critic (Poole et al. 2019)."""

import math

import keras
from keras import ops

from acai_tf import backend
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class Information(Regularizer):
    """Raises the mutual information between images and codes, seen through noise.

    The information of a deterministic code is infinite. That of z~_i = z_i + sigma eps_i with
    eps_i ~ N(0, I) is not, and as the density of the noise is known, a batch of B bounds it
    without a critic (Poole et al. 2019, InfoNCE with a tractable encoder):

        I = mean_i log [p(z~_i | z_i) / (1/B sum_j p(z~_i | z_j))]
        p(z~ | z) = exp(-||z~ - z||^2 / 2 sigma^2),    sigma^2 = d / (2 ln B)

    and the autoencoder adds -lambda I. I is at most ln B, where every code can be told from all
    others of the batch despite the noise, and 0 where all codes are one. With this sigma, codes
    spread as N(0, I) have about three quarters of ln B, for any size d of the code. Codes that
    spread further have more, so this term needs another that bounds them, such as the AAE's prior.
    The decoder reads the codes without this noise. Logs `information`, I in nats.

    Args:
        weight: lambda >= 0 per nat, in units of the reconstruction loss per element.
        name: of the regularizer.
        options: as for `Regularizer`.

    Raises:
        UsageError: a negative weight.

    Examples:
        >>> model = acai_tf.AAE(
        ...     encoder, decoder, regularizers=[acai_tf.Information(weight=0.1)])
    """

    log_names = ("information",)

    def attach(self, model):
        self._size = model.code_size

    def noise(self, seed, batch):
        return {"epsilon": keras.random.normal((batch, self._size), seed=seed)}

    def terms(self, forward, noise):
        information = mutual_information(forward.code, noise["epsilon"])
        return Terms(
            autoencoder=-self.weight * forward.scale * information,
            logs={"information": information},
        )


def mutual_information(code, epsilon):
    """I in nats, a scalar, of all replicas' codes [n, ...] with N(0, I) noise [n, d]."""
    size = math.prod(code.shape[1:])
    z, epsilon = map(backend.gather_replicas, (ops.reshape(code, (-1, size)), epsilon))  # [B, d]
    log_batch = ops.log(ops.cast(ops.shape(z)[0], "float32"))
    z = ops.cast(z, "float32") * ops.sqrt(2 * log_batch / size)  # now sigma is 1
    z = z - ops.mean(z, axis=0)  # for the rounding below
    # log p(z~_i | z_j) - log p(z~_i | z_i) = -|z_i - z_j|^2 / 2 - eps_i (z_i - z_j)
    squares, products = ops.sum(ops.square(z), axis=1), ops.matmul(z, ops.transpose(z))
    far = ops.relu((squares[:, None] + squares) / 2 - products)
    along = ops.sum(epsilon * z, axis=1)[:, None] - ops.matmul(epsilon, ops.transpose(z))
    place = ops.cumsum(ops.ones_like(squares))
    # Of a code and itself it is 0. Rounded, it would be the loss of codes that are far apart.
    log_ratio = ops.where(place[:, None] == place, 0.0, -far - along)
    return log_batch - ops.mean(ops.logsumexp(log_ratio, axis=1))
