"""MIDR-AE's critic: mixes with samples of the prior as well (IJCAI 2019)."""

import keras
from keras import ops

from acai_tf.models import interpolation
from acai_tf.models.regularizers import Terms
from acai_tf.models.regularizers.interpolation_critic import InterpolationCritic


@keras.saving.register_keras_serializable("acai_tf")
class PriorMixes(InterpolationCritic):
    """An interpolation critic that also sees codes mixed with samples of the prior.

    One network d for all terms. Besides those of `InterpolationCritic`, with h ~ N(0, I) and
    a ~ U(0, 1), which is not folded,

        critic:      ||d(D(a z + (1 - a) h)) - a||^2 + ||d(D(h)) - 1/2||^2
        autoencoder: w_n ||d(D(a z + (1 - a) h))||^2 + w_f ||d(D(h))||^2

    With `per_coordinate=True` and `MMD` this is MIDR-AE (IJCAI 2019).

    Args:
        noise_weight: w_n >= 0, in units of the reconstruction loss per element.
        fake_weight: w_f >= 0, likewise.
        arguments, options: as for `InterpolationCritic`.

    Raises:
        UsageError: as `InterpolationCritic`; a negative weight.

    Examples:
        >>> critic = acai_tf.PriorMixes(noise_weight=0.5, fake_weight=0.05, per_coordinate=True)
        >>> model = acai_tf.Autoencoder(encoder, decoder, regularizers=[critic, acai_tf.MMD()])
    """

    log_names = (
        *InterpolationCritic.log_names,
        *("loss_critic_noise", "loss_adversarial_noise"),
        *("loss_critic_fake", "loss_adversarial_fake"),
    )

    def __init__(self, *arguments, noise_weight: float = 0.1, fake_weight: float = 0.1, **options):
        super().__init__(*arguments, **options)
        self.check_at_least_0(noise_weight=noise_weight, fake_weight=fake_weight)
        self.noise_weight, self.fake_weight = noise_weight, fake_weight

    def noise(self, seed, batch):
        axes = self._shape if self.per_coordinate else [1] * len(self._shape)
        return {
            **super().noise(seed, batch),
            "uniform_prior": keras.random.uniform((batch, *axes), seed=seed),
            "prior": keras.random.normal((batch, *self._shape), seed=seed),
        }

    def terms(self, forward, noise):
        mixes = super().terms(forward, noise)
        h, alpha = noise["prior"], noise["uniform_prior"]
        x_noise = forward.decode(interpolation.mix(forward.code, h, alpha))
        x_fake, half = forward.decode(h), ops.full_like(alpha, 0.5)
        critic_noise, adversarial_noise = self.adversarial_losses(forward, x_noise, alpha)
        critic_fake, adversarial_fake = self.adversarial_losses(forward, x_fake, half)
        loss = self.noise_weight * adversarial_noise + self.fake_weight * adversarial_fake
        return Terms(
            autoencoder=mixes.autoencoder + self.scale(forward, noise) * loss,
            adversary=mixes.adversary + critic_noise + critic_fake,
            logs={
                **mixes.logs,
                "loss_critic_noise": critic_noise,
                "loss_adversarial_noise": adversarial_noise,
                "loss_critic_fake": critic_fake,
                "loss_adversarial_fake": adversarial_fake,
            },
        )

    def get_config(self):
        own = {"noise_weight": self.noise_weight, "fake_weight": self.fake_weight}
        return {**super().get_config(), **own}
