"""ACAI's regularizer: a critic that estimates how far an image is mixed (section 2.1)."""

import functools

import keras
from keras import ops

from acai_tf.errors import UsageError
from acai_tf.models import interpolation, losses, networks
from acai_tf.models.regularizers import Regularizer, Terms, same_shape


@keras.saving.register_keras_serializable("acai_tf")
class InterpolationCritic(Regularizer):
    """Asks that a critic cannot tell decoded mixes of codes from real reconstructions.

    The critic d estimates alpha from x_alpha = D(alpha z_1 + (1 - alpha) z_2):
        critic:      ||d(x_alpha) - alpha||^2 + ||d(gamma x + (1 - gamma) x_hat)||^2    (eq. 2)
        autoencoder: lambda ||d(x_alpha)||^2                                            (eq. 3)
    z_2 are the codes of the batch in reverse order, alpha ~ U(0, 0.5).

    Args:
        weight: lambda, in units of the reconstruction loss per element.
        gamma: how real the critic's real images are.
        ramp: steps over which the weight rises from 0. A VAE needs it where the weight is large:
            its first reconstructions are one mean image, which fools the critic.
        network: images [B, ...] -> [B, ...], whose mean over all but the batch is the estimate; a
            Keras model, or a function that makes one. None: a network shaped like the encoder.

    Example:
        model = acai_tf.Autoencoder(
            encoder, decoder, acai_tf.Gaussian(), acai_tf.Bernoulli(),
            regularizers=[acai_tf.InterpolationCritic(weight=0.1)],
        )
    """

    log_names = ("loss_critic", "loss_critic_real", "loss_adversarial")
    separate = True

    def __init__(
        self,
        weight: float = 0.5,
        gamma: float = 0.2,
        network=None,
        ramp: int = 0,
        name: str = "critic",
        **options,
    ):
        super().__init__(name=name, **options)
        for what, value in (("weight", weight), ("gamma", gamma), ("ramp", ramp)):
            if not value >= 0:
                raise UsageError(f"{name}: {what} must be at least 0, got {value}")
        self.weight, self.gamma, self.network, self.ramp = weight, gamma, network, ramp

    def attach(self, model):
        if self.network is None:
            self.network = like(model.encoder, self.name)
        elif not isinstance(self.network, keras.Model):
            self.network = self.network()
        shape = model.reconstruction.output_shape(model.image_shape)
        same_shape(f"what the {self.name} takes", self.network.input_shape[1:], shape)
        self._axes = len(model.latent_shape)

    def estimate(self, images, training: bool = False):
        """Images [B, ...] -> how far each is from real, 0..0.5 [B]."""
        said = self.network(images, training=training)
        return ops.mean(said, axis=tuple(range(1, len(said.shape))))

    def noise(self, seed, batch):
        noise = {"uniform": keras.random.uniform((batch, *[1] * self._axes), seed=seed)}
        if self.ramp:
            risen = ops.minimum(ops.cast(seed.step, "float32") / self.ramp, 1.0)
            noise["ramp"] = ops.full((batch,), risen)
        return noise

    def terms(self, forward, noise):
        estimate = functools.partial(self.estimate, training=True)
        alpha = losses.fold_alpha(noise["uniform"])  # [B, 1, ...], in [0, 0.5]
        z = forward.code
        x_mix = forward.decode(interpolation.mix(z, ops.flip(z, axis=0), alpha))
        estimate_mix, felt = forward.judge(estimate, x_mix)  # [B], by critic, by autoencoder
        x_real = forward.x_hat + self.gamma * (forward.x - forward.x_hat)
        estimate_real = estimate(ops.stop_gradient(x_real))

        loss_adversarial = losses.adversarial(estimate=felt)
        loss_critic = losses.critic_mixed(estimate=estimate_mix, alpha=ops.reshape(alpha, (-1,)))
        loss_critic_real = losses.critic_real(estimate=estimate_real)
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
        own = {name: getattr(self, name) for name in ("weight", "gamma", "ramp")}
        return {**super().get_config(), **own, "network": network}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "network": networks.rebuilt(config["network"])})


def like(encoder: keras.Model, name: str) -> keras.Model:
    """A network of the same architecture as the encoder, with fresh weights."""
    try:
        return networks.rebuilt(keras.saving.serialize_keras_object(encoder), name)
    except (NotImplementedError, TypeError) as error:
        raise UsageError(
            f"the {name} cannot copy the encoder's architecture ({error}); give its network"
        ) from error
