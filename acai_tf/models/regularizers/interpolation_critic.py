"""ACAI's regularizer: a critic that estimates the mixing coefficient (section 2.1)."""

import keras
from keras import ops

from acai_tf.errors import UsageError
from acai_tf.models import losses, networks
from acai_tf.models.mixing import MIXINGS, PER_COORDINATE
from acai_tf.models.regularizers import Regularizer, Terms


@keras.saving.register_keras_serializable("acai_tf")
class InterpolationCritic(Regularizer):
    """Makes decoded mixes of codes indistinguishable from reconstructions (section 2.1).

    The critic d estimates alpha from x_alpha = D(alpha z_1 + (1 - alpha) z_2), where z_2 are the
    codes of the batch in reverse order and alpha ~ U(0, 0.5):

        critic:      ||d(x_alpha) - alpha||^2 + ||d(gamma x + (1 - gamma) x_hat)||^2    (eq. 2)
        autoencoder: lambda ||d(x_alpha)||^2                                            (eq. 3)

    With `per_coordinate`, alpha is a number for each value of the code instead of one for each
    image, and the critic estimates each of them (MI-AE; IJCAI 2019).

    Args:
        weight: lambda >= 0, in units of the reconstruction loss per element.
        gamma: share of the input in the critic's real images, at least 0.
        network: images [B, ...] -> [B, ...], whose mean over all axes but the batch is the
            estimate: a Keras model, or a function that makes one. None copies the encoder's
            architecture.
        per_coordinate: alpha has the code's shape, and so must the network's output; the estimate
            of an image is still one number, the mean. Each player then has a backward pass of its
            own.
        ramp: steps over which the weight rises from 0. A VAE needs it with a large weight: its
            first reconstructions are one mean image, which fools the critic.
        mixing: how codes are mixed: "lerp" as above; "mask", each channel from one of two codes;
            "dirichlet", three codes with random weights (Beckham et al. 2019). alpha is then how
            much of a mix is not from the code that it has most of: the smaller share of the
            channels, or the complement of the largest weight.
        name: of the player and its network.
        options: `learning_rate`, as for `Regularizer`.

    Raises:
        UsageError: a negative weight, gamma or ramp; an unknown mixing, or another one than "lerp"
            with `per_coordinate`; when attached, a network whose output does not have the code's
            shape, with `per_coordinate`.

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
        per_coordinate: bool = False,
        name: str = "critic",
        **options,
    ):
        super().__init__(weight, name=name, **options)
        self.check_at_least_0(gamma=gamma, ramp=ramp)
        if mixing not in MIXINGS:
            raise UsageError(f"{name}: mixing must be {', '.join(MIXINGS)}, got {mixing!r}")
        if per_coordinate and mixing != "lerp":
            raise UsageError(f"{name}: per_coordinate goes with mixing='lerp' only, not {mixing!r}")
        self.gamma, self.network, self.ramp = gamma, network, ramp
        self.mixing, self.per_coordinate = mixing, per_coordinate
        self._mixing = PER_COORDINATE if per_coordinate else MIXINGS[mixing]
        if per_coordinate:
            self.shares_backward = False  # a shared pass needs one number per image

    def attach(self, model):
        if self.network is None:
            self.network = networks.like(model.encoder, self.name)
        elif not isinstance(self.network, keras.Model):
            self.network = self.network()
        shape = model.reconstruction.output_shape(model.image_shape)
        networks.check_shape(f"{self.name}'s input", self.network.input_shape[1:], shape)
        self._shape = model.latent_shape
        if self.per_coordinate:
            made = self.network.output_shape[1:]
            networks.check_shape(f"{self.name}'s output (per_coordinate)", made, self._shape)

    def estimate(self, images, training: bool = False):
        """Images [B, ...] -> estimates of alpha [B]; 0 for real images."""
        y = self.network(images, training=training)
        return ops.mean(y, axis=tuple(range(1, len(y.shape))))

    def predictions(self, images):
        """Images [B, ...] -> estimates in training: of alpha [B], or of each coordinate's."""
        if self.per_coordinate:
            return self.network(images, training=True)
        return self.estimate(images, training=True)

    def adversarial_losses(self, forward, images, alpha) -> tuple:
        """(the critic's loss, the autoencoder's) on decoded mixes; alpha is as in `mix`."""
        estimate, for_autoencoder = forward.discriminate(self.predictions, images)
        alpha = ops.reshape(alpha, ops.shape(estimate))
        return (
            losses.critic_mixed(estimate=estimate, alpha=alpha),
            losses.adversarial(estimate=for_autoencoder),
        )

    def scale(self, forward, noise):
        """What the autoencoder's weights are multiplied by at this step."""
        return forward.scale * (ops.mean(noise["ramp"]) if self.ramp else 1)

    def noise(self, seed, batch):
        noise = self._mixing.noise(seed, batch, self._shape)
        if self.ramp:
            share = ops.minimum(ops.cast(seed.step, "float32") / self.ramp, 1.0)
            noise["ramp"] = ops.full((batch,), share)
        return noise

    def terms(self, forward, noise):
        z_mix, alpha = self._mixing.mix(forward.code, noise)
        x_mix = forward.decode(z_mix)
        loss_critic, loss_adversarial = self.adversarial_losses(forward, x_mix, alpha)
        x_real = forward.x_hat + self.gamma * (forward.x - forward.x_hat)
        of_real = self.predictions(ops.stop_gradient(x_real))
        loss_critic_real = losses.critic_real(estimate=of_real)
        return Terms(
            autoencoder=self.weight * self.scale(forward, noise) * loss_adversarial,
            adversary=loss_critic + loss_critic_real,
            logs={
                "loss_critic": loss_critic,
                "loss_critic_real": loss_critic_real,
                "loss_adversarial": loss_adversarial,
            },
        )

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        own = {n: getattr(self, n) for n in ("gamma", "ramp", "mixing", "per_coordinate")}
        return {**super().get_config(), **own, "network": network}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "network": networks.rebuilt(config["network"])})
