"""Smoothness of decoded paths between codes (Oring et al. 2021)."""

import keras

from acai_tf.errors import UsageError
from acai_tf.models import interpolation, losses
from acai_tf.models.regularizers import Regularizer, Terms

STEP = 0.05  # of alpha


@keras.saving.register_keras_serializable("acai_tf")
class PathSmoothness(Regularizer):
    """Makes decoded images change slowly along paths between codes (AEAI, Oring et al. 2021).

        lambda ||d x_alpha / d alpha||^2,    x_alpha = D(alpha z_1 + (1 - alpha) z_2)

    z_2 are the codes of the batch in reverse order and alpha ~ U(0, 1). The derivative is the
    difference between alpha and alpha + 0.05, over 0.05; the square is a mean over pixels. As the
    ends of a path are fixed by the reconstruction loss, the least of it is an even change. Logs
    `loss_smoothness`, without lambda.

    Args:
        weight: lambda >= 0, in units of the reconstruction loss per element.
        name: of the regularizer.
        options: as for `Regularizer`.

    Raises:
        UsageError: a negative weight; a bottleneck that makes steps: `VectorQuantized`.

    Examples:
        >>> model = acai_tf.ACAI(
        ...     encoder, decoder, regularizers=[acai_tf.PathSmoothness(weight=0.01)])
    """

    log_names = ("loss_smoothness",)

    def __init__(self, weight: float = 1.0, name: str = "path_smoothness", **options):
        super().__init__(weight, name=name, **options)

    def attach(self, model):
        if not model.bottleneck.continuous:
            kind = type(model.bottleneck).__name__
            raise UsageError(f"{self.name}: {kind} decodes a path in steps; it has no derivative")
        self._axes = len(model.latent_shape)

    def noise(self, seed, batch):
        return {"uniform": keras.random.uniform((batch, *[1] * self._axes), seed=seed)}

    def terms(self, forward, noise):
        alpha = (1 - STEP) * noise["uniform"]
        here, there = (
            forward.decode(interpolation.mix_pairs(forward.code, at))
            for at in (alpha, alpha + STEP)
        )
        loss = losses.reconstruction(x=here, x_hat=there) / STEP**2
        return Terms(self.weight * forward.scale * loss, logs={"loss_smoothness": loss})
