"""The adversarial autoencoder (section 4; Makhzani et al. 2016)."""

import itertools

import keras

from acai_tf import losses, networks
from acai_tf.models import sizes
from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class AAE(Autoencoder):
    """An autoencoder whose codes a discriminator cannot tell from draws of the prior N(0, I).

    L_disc = BCE(disc(prior), 1) + BCE(disc(E(x)), 0)
    L_f,g  = ||x - x_hat||^2 + BCE(disc(E(x)), 1)
    The discriminator has a learning rate of its own, `adversary_lr`.
    """

    separate = True
    log_names = (
        *("loss_ae", "loss_probe", "loss_disc_code", "loss_disc_prior"),
        *("loss_adversarial", "disc_accuracy"),
    )

    def __init__(self, config, image_shape, classes, **kwargs):
        super().__init__(config, image_shape, classes, **kwargs)
        self.discriminator = networks.discriminator(
            self.latent_shape, self.config.layer_sizes("disc_layer_sizes")
        )

    @staticmethod
    def own_weights(config, image_shape):
        widths = [config.code_size, *config.layer_sizes("disc_layer_sizes"), 1]
        return sum(sizes.dense(*pair) for pair in itertools.pairwise(widths))

    def players(self):
        return {**super().players(), "discriminator": self.discriminator.trainable_variables}

    def learning_rates(self):
        return {**super().learning_rates(), "discriminator": self.config.adversary_lr}

    def draws(self, seed, batch):
        return {"prior": keras.random.normal((batch, *self.latent_shape), seed=seed)}

    def objectives(self, x, label, draws):
        latents = self.encoder(x)
        loss_ae = losses.reconstruction(x=x, x_hat=self.decoder(latents))
        of_code, felt = self.judged(self.discriminator, latents)  # logits [B, 1]
        of_prior = self.discriminator(draws["prior"])
        loss_disc_code = losses.binary_cross_entropy(logits=of_code, target=0.0)
        loss_disc_prior = losses.binary_cross_entropy(logits=of_prior, target=1.0)
        loss_adversarial = losses.binary_cross_entropy(logits=felt, target=1.0)
        loss_probe = self.probe_loss(latents, label)
        players = {
            "autoencoder": loss_ae + loss_adversarial,
            "discriminator": loss_disc_prior + loss_disc_code,
            "probe": loss_probe,
        }
        logs = {
            "loss_ae": loss_ae,
            "loss_probe": loss_probe,
            "loss_disc_code": loss_disc_code,
            "loss_disc_prior": loss_disc_prior,
            "loss_adversarial": loss_adversarial,
            "disc_accuracy": losses.discriminator_accuracy(of_prior=of_prior, of_code=of_code),
        }
        return players, logs
