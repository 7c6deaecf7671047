"""Cycle consistency of mixed codes (Oring et al. 2021)."""

import keras

from acai_tf.models import interpolation, losses, networks
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class Cycle(Regularizer):
    """Makes the encoder return a mixed code from its decoded image (AEAI, Oring et al. 2021).

        lambda ||z_alpha - E(D(z_alpha))||^2,    z_alpha = alpha z_1 + (1 - alpha) z_2

    z_2 are the codes of the batch in reverse order and alpha ~ U(0, 1). The square is a mean over
    the values of the code. Logs `loss_cycle`, without lambda.

    Args:
        weight: lambda >= 0, in units of the reconstruction loss per element.
        name: of the regularizer.
        options: as for `Regularizer`.

    Raises:
        UsageError: a negative weight; a reconstruction whose images the encoder does not take.

    Examples:
        >>> model = acai_tf.Baseline(encoder, decoder, regularizers=[acai_tf.Cycle(weight=0.1)])
    """

    log_names = ("loss_cycle",)

    def attach(self, model):
        decoded = model.reconstruction.output_shape(model.image_shape)
        networks.check_shape(f"{self.name}: the decoded image", decoded, model.network_shape)
        self._axes = len(model.latent_shape)

    def noise(self, seed, batch):
        return {"alpha": keras.random.uniform((batch, *[1] * self._axes), seed=seed)}

    def terms(self, forward, noise):
        z = interpolation.mix_pairs(forward.code, noise["alpha"])
        loss = losses.reconstruction(x=z, x_hat=forward.encode(forward.decode(z)))
        return Terms(self.weight * forward.scale * loss, logs={"loss_cycle": loss})
