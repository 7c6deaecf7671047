"""ACAI's regularizer: a critic that estimates the mixing coefficient (section 2.1)."""

import functools

import keras
from keras import ops

from acai_tf.errors import UsageError
from acai_tf.models import losses, networks
from acai_tf.models.mixing import MIXINGS
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class InterpolationCritic(Regularizer):
    """Makes decoded mixes of codes indistinguishable from reconstructions (section 2.1).

    The critic d estimates alpha from x_alpha = D(alpha z_1 + (1 - alpha) z_2), where z_2 are the
    codes of the batch in reverse order and alpha ~ U(0, 0.5):

        critic:      ||d(x_alpha) - alpha||^2 + ||d(gamma x + (1 - gamma) x_hat)||^2    (eq. 2)
        autoencoder: lambda ||d(x_alpha)||^2                                            (eq. 3)

    Args:
        weight: lambda >= 0, in units of the reconstruction loss per element.
        gamma: share of the input in the critic's real images, at least 0.
        network: images [B, ...] -> [B, ...], whose mean over all axes but the batch is the
            estimate: a Keras model, or a function that makes one. None copies the encoder's
            architecture.
        ramp: steps over which the weight rises from 0. A VAE needs it with a large weight: its
            first reconstructions are one mean image, which fools the critic.
        mixing: how codes are mixed: "lerp" as above; "mask", each channel from one of two codes;
            "dirichlet", three codes with random weights (Beckham et al. 2019). alpha is then how
            much of a mix is not from the code that it has most of: the smaller share of the
            channels, or the complement of the largest weight.
        name: of the player and its network.
        options: `learning_rate`, as for `Regularizer`.

    Raises:
        UsageError: a negative weight, gamma or ramp; an unknown mixing.

    Examples:
        >>> model = acai_tf.VAE(
        ...     encoder, decoder, regularizers=[acai_tf.InterpolationCritic(weight=0.1)])
        >>> tuple(model.estimate(images).shape)
        (16,)
    """

    log_names = ("loss_critic", "loss_critic_real", "loss_adversarial")
    shares_backward = True

    def __init__(
        self,
        weight: float = 0.5,
        gamma: float = 0.2,
        network=None,
        ramp: int = 0,
        mixing: str = "lerp",
        name: str = "critic",
        **options,
    ):
        super().__init__(weight, name=name, **options)
        for what, value in (("gamma", gamma), ("ramp", ramp)):
            if not value >= 0:
                raise UsageError(f"{name}: {what} must be at least 0, got {value}")
        if mixing not in MIXINGS:
            raise UsageError(f"{name}: mixing must be {', '.join(MIXINGS)}, got {mixing!r}")
        self.gamma, self.network, self.ramp, self.mixing = gamma, network, ramp, mixing

    def attach(self, model):
        if self.network is None:
            self.network = networks.like(model.encoder, self.name)
        elif not isinstance(self.network, keras.Model):
            self.network = self.network()
        shape = model.reconstruction.output_shape(model.image_shape)
        networks.check_shape(f"{self.name}'s input", self.network.input_shape[1:], shape)
        self._shape = model.latent_shape

    def estimate(self, images, training: bool = False):
        """Images [B, ...] -> estimates of alpha [B]; 0 for real images."""
        y = self.network(images, training=training)
        return ops.mean(y, axis=tuple(range(1, len(y.shape))))

    def noise(self, seed, batch):
        noise = MIXINGS[self.mixing].noise(seed, batch, self._shape)
        if self.ramp:
            share = ops.minimum(ops.cast(seed.step, "float32") / self.ramp, 1.0)
            noise["ramp"] = ops.full((batch,), share)
        return noise

    def terms(self, forward, noise):
        estimate = functools.partial(self.estimate, training=True)
        z_mix, alpha = MIXINGS[self.mixing].mix(forward.code, noise)
        x_mix = forward.decode(z_mix)
        of_mix, of_mix_for_autoencoder = forward.discriminate(estimate, x_mix)  # [B]
        x_real = forward.x_hat + self.gamma * (forward.x - forward.x_hat)
        of_real = estimate(ops.stop_gradient(x_real))

        loss_adversarial = losses.adversarial(estimate=of_mix_for_autoencoder)
        loss_critic = losses.critic_mixed(estimate=of_mix, alpha=alpha)
        loss_critic_real = losses.critic_real(estimate=of_real)
        weight = self.weight * forward.scale
        if self.ramp:
            weight *= ops.mean(noise["ramp"])
        return Terms(
            autoencoder=weight * loss_adversarial,
            adversary=loss_critic + loss_critic_real,
            logs={
                "loss_critic": loss_critic,
                "loss_critic_real": loss_critic_real,
                "loss_adversarial": loss_adversarial,
            },
        )

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        own = {name: getattr(self, name) for name in ("gamma", "ramp", "mixing")}
        return {**super().get_config(), **own, "network": network}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "network": networks.rebuilt(config["network"])})
