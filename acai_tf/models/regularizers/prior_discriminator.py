"""The adversarial autoencoder's regularizer (Makhzani et al. 2016)."""

import keras

from acai_tf.models import losses, networks
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class PriorDiscriminator(Regularizer):
    """Makes codes indistinguishable from samples of N(0, I) (Makhzani et al. 2016).

        discriminator: BCE(disc(prior), 1) + BCE(disc(z), 0)
        autoencoder:   weight BCE(disc(z), 1)

    Args:
        layer_sizes: widths of the discriminator's hidden layers.
        weight: in units of the reconstruction loss per element.
        name: of the player and its network.
        options: `learning_rate`, as for `Regularizer`.

    Examples:
        >>> prior = acai_tf.PriorDiscriminator(layer_sizes=(64,), learning_rate=1e-4)
        >>> model = acai_tf.Autoencoder(encoder, decoder, regularizers=[prior])
    """

    log_names = ("loss_disc_code", "loss_disc_prior", "loss_disc_adversarial", "disc_accuracy")
    shares_backward = True

    def __init__(
        self,
        layer_sizes: tuple[int, ...] = (100, 100),
        weight: float = 1.0,
        name: str = "discriminator",
        **options,
    ):
        super().__init__(weight, name=name, **options)
        self.layer_sizes = tuple(layer_sizes)

    def attach(self, model):
        self._shape = model.latent_shape
        self.network = networks.discriminator(self._shape, self.layer_sizes, self.name)

    def noise(self, seed, batch):
        return {"prior": keras.random.normal((batch, *self._shape), seed=seed)}

    def terms(self, forward, noise):
        of_code, of_code_for_autoencoder = forward.discriminate(self.network, forward.code)
        of_prior = self.network(noise["prior"])  # logits [B, 1], as the others
        loss_disc_code = losses.binary_cross_entropy(logits=of_code, target=0.0)
        loss_disc_prior = losses.binary_cross_entropy(logits=of_prior, target=1.0)
        loss_adversarial = losses.binary_cross_entropy(logits=of_code_for_autoencoder, target=1.0)
        return Terms(
            autoencoder=self.weight * forward.scale * loss_adversarial,
            adversary=loss_disc_prior + loss_disc_code,
            logs={
                "loss_disc_code": loss_disc_code,
                "loss_disc_prior": loss_disc_prior,
                "loss_disc_adversarial": loss_adversarial,
                "disc_accuracy": losses.discriminator_accuracy(of_prior=of_prior, of_code=of_code),
            },
        )

    def get_config(self):
        return {**super().get_config(), "layer_sizes": self.layer_sizes}
