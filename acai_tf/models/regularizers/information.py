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
    """I in nats, a scalar: codes [n, ...] of this replica, N(0, I) noise [n, d]."""
    size = math.prod(code.shape[1:])
    z = ops.reshape(ops.cast(code, "float32"), (-1, size))
    others = backend.gather_replicas(z)  # [B, d]
    log_batch = ops.log(ops.cast(ops.shape(others)[0], "float32"))
    z, others = (one * ops.sqrt(2 * log_batch / size) for one in (z, others))  # now sigma is 1
    noisy = z + epsilon
    # log p(z~_i | z_j) = z~_i z_j - |z_j|^2 / 2 + a number that does not depend on j, and cancels.
    own = ops.sum(noisy * z, axis=1) - ops.sum(ops.square(z), axis=1) / 2
    every = ops.matmul(noisy, ops.transpose(others)) - ops.sum(ops.square(others), axis=1) / 2
    total = ops.maximum(ops.logsumexp(every, axis=1), own)  # rounding may put it below its own term
    return ops.mean(own - total) + log_batch
