"""ACAI: Adversarially Constrained Autoencoder Interpolation (section 2.1)."""

import keras
from keras import ops

from acai_tf import interpolation, losses, networks
from acai_tf.models import sizes
from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class ACAI(Autoencoder):
    """An autoencoder whose decoded mixes a critic cannot tell from real reconstructions.

    The critic d estimates alpha from x_alpha = D(alpha z_1 + (1 - alpha) z_2):
        L_d   = ||d(x_alpha) - alpha||^2 + ||d(gamma x + (1 - gamma) x_hat)||^2    (eq. 2)
        L_f,g = ||x - x_hat||^2 + lambda ||d(x_alpha)||^2                          (eq. 3)
    gamma is `reg`, lambda is `advweight`. z_2 are the codes of the batch in reverse order.
    """

    separate = True
    log_names = (
        *Autoencoder.log_names,
        *("loss_critic", "loss_critic_real", "loss_adversarial"),
    )

    def __init__(self, config, image_shape, classes, **kwargs):
        super().__init__(config, image_shape, classes, **kwargs)
        depth = self.config.advdepth or self.config.depth
        self.critic = networks.critic(
            *(self.image_shape, self.scales, depth, self.config.latent),
            **self.network_options,
        )

    @staticmethod
    def own_weights(config, image_shape):
        return sizes.encoder(config, image_shape, config.advdepth or config.depth)

    def estimate(self, images):
        """Images [B, H, W, C] -> the critic's estimate of alpha [B]; 0: takes it as real."""
        return self.critic(self.checked(images))

    def estimate_along(self, images_0, images_1, steps: int = 16):
        """The critic's estimates along the paths between two batches of images, [B, steps]."""
        path = self.interpolate(images_0, images_1, steps)
        said = self.critic(ops.reshape(path, (-1, *self.image_shape)))
        return ops.transpose(ops.reshape(said, (steps, -1)))

    def players(self):
        return {**super().players(), "critic": self.critic.trainable_variables}

    def draws(self, seed, batch):
        return {"uniform": keras.random.uniform((batch, 1, 1, 1), seed=seed)}

    def objectives(self, x, label, draws):
        latents = self.encoder(x)  # [B, w, w, latent]
        x_hat = self.decoder(latents)
        alpha = losses.fold_alpha(draws["uniform"])  # [B, 1, 1, 1], in [0, 0.5]
        x_mix = self.decoder(interpolation.mix(latents, ops.flip(latents, axis=0), alpha))
        estimate_mix, felt = self.judged(self.critic, x_mix)  # [B], by critic and by autoencoder
        x_real = x_hat + self.config.reg * (x - x_hat)
        estimate_real = self.critic(ops.stop_gradient(x_real))

        loss_adversarial = losses.adversarial(estimate=felt)
        loss_critic = losses.critic_mixed(estimate=estimate_mix, alpha=ops.reshape(alpha, (-1,)))
        loss_critic_real = losses.critic_real(estimate=estimate_real)
        players, logs = self.plain_objectives(x, x_hat, latents, label)
        players["autoencoder"] += self.config.advweight * loss_adversarial
        players["critic"] = loss_critic + loss_critic_real
        logs["loss_critic"] = loss_critic
        logs["loss_critic_real"] = loss_critic_real
        logs["loss_adversarial"] = loss_adversarial
        return players, logs
