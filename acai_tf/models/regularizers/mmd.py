"""LR-AE's regularizer: the codes' maximum mean discrepancy from the prior (IJCAI 2019)."""

from collections.abc import Sequence

import keras
from keras import ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.models import losses
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class MMD(Regularizer):
    """Pulls the distribution of codes to N(0, I) by their maximum mean discrepancy.

        autoencoder: weight max(0, MMD^2(z, h)),  h ~ N(0, I)

    with the unbiased estimate of MMD^2 (Gretton et al. 2012) over the whole batch, on all replicas,
    and a sum of RBF kernels. It is the prior of LR-AE and of MIDR-AE (IJCAI 2019).

    Args:
        weight: at least 0, in units of the reconstruction loss per element.
        sigmas: widths of the kernels, above 0, in units of the code.
        options: `name`, as for `Regularizer`.

    Raises:
        UsageError: a negative weight; no widths, or one that is not positive.

    Examples:
        >>> model = acai_tf.ACAI(encoder, decoder, regularizers=[acai_tf.MMD()])  # LR-AE
    """

    log_names = ("loss_mmd",)

    def __init__(
        self,
        weight: float = 1.0,
        sigmas: Sequence[float] = (2, 5, 10, 20, 40, 80),
        **options,
    ):
        super().__init__(weight, **options)
        if not (sigmas and all(sigma > 0 for sigma in sigmas)):
            raise UsageError(f"{self.name}: sigmas must be positive numbers, got {sigmas}")
        self.sigmas = tuple(sigmas)

    def attach(self, model):
        self._shape, self._size = model.latent_shape, model.code_size

    def noise(self, seed, batch):
        return {"prior": keras.random.normal((batch, *self._shape), seed=seed)}

    def terms(self, forward, noise):
        z, h = (
            backend.gather_replicas(ops.reshape(codes, (-1, self._size)))
            for codes in (forward.code, noise["prior"])
        )
        loss_mmd = ops.relu(losses.squared_mmd(z=z, h=h, sigmas=self.sigmas))
        return Terms(self.weight * forward.scale * loss_mmd, logs={"loss_mmd": loss_mmd})

    def get_config(self):
        return {**super().get_config(), "sigmas": self.sigmas}
