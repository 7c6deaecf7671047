"""The paper's seven autoencoders (section 4) and three successors, each a composition of parts.

Besides their own arguments all of them take an encoder, a decoder, and the options of
`Autoencoder`, such as `classes` or further `regularizers`.
"""

import keras

from acai_tf.models.autoencoder import Autoencoder
from acai_tf.models.bottlenecks import CodeDropout, Gaussian, VectorQuantized
from acai_tf.models.corruption import GaussianNoise
from acai_tf.models.reconstruction import Bernoulli
from acai_tf.models.regularizers.interpolation_critic import InterpolationCritic
from acai_tf.models.regularizers.mmd import MMD
from acai_tf.models.regularizers.prior_discriminator import PriorDiscriminator
from acai_tf.models.regularizers.prior_mixes import PriorMixes

register = keras.saving.register_keras_serializable("acai_tf")


@register
class Baseline(Autoencoder):
    """A plain autoencoder, min ||x - D(E(x))||^2 (eq. 1).

    Args:
        encoder, decoder, options: as for `Autoencoder`.

    Examples:
        >>> model = acai_tf.Baseline(encoder, decoder)
        >>> tuple(model.encode(images).shape)
        (16, 6)
    """


@register
class Denoising(Autoencoder):
    """Denoising autoencoder, min ||x - D(E(x + n))||^2 (Vincent et al. 2010).

    Inference methods and the probe see the clean x.

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        noise: standard deviation of n, for images in [-1, 1].

    Examples:
        >>> model = acai_tf.Denoising(encoder, decoder, noise=0.5)
    """

    def __init__(self, encoder, decoder, noise: float = 1.0, **options):
        super().__init__(encoder, decoder, corruption=GaussianNoise(noise), **options)


@register
class Dropout(Autoencoder):
    """Autoencoder with dropout on the code, min ||x - D(m E(x) / keep)||^2.

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        keep: probability to KEEP a value of the code, in (0, 1].

    Examples:
        >>> model = acai_tf.Dropout(encoder, decoder, keep=0.75)
    """

    def __init__(self, encoder, decoder, keep: float = 0.5, **options):
        super().__init__(encoder, decoder, CodeDropout(keep), **options)


@register
class VAE(Autoencoder):
    """Variational autoencoder (Kingma and Welling 2014; Higgins et al. 2017 for other betas).

    Maximizes E_q[log p(x | z)] - beta KL(q(z | x) || N(0, I)), with p a Bernoulli over
    (x + 1) / 2, or what `reconstruction` says. Training decodes a sample of q. `encode` returns its
    mean, or given `epsilon` ~ N(0, I), [B, d], a sample, as the original program did.

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        beta: weight of the KL term.
        reconstruction: None for `Bernoulli`; a likelihood that is summed, not a mean.

    Examples:
        >>> model = acai_tf.VAE(encoder, decoder, beta=4.0)
        >>> code = model.encode(images)
    """

    log_names = ("elbo",)
    likelihood = True

    def __init__(self, encoder, decoder, beta: float = 1.0, reconstruction=None, **options):
        reconstruction = reconstruction or Bernoulli()
        super().__init__(encoder, decoder, Gaussian(beta), reconstruction, **options)

    def extra_logs(self, logs):
        return {"elbo": logs["loss_ll"] - self.bottleneck.beta * logs["loss_kl"]}


@register
class AAE(Autoencoder):
    """Adversarial autoencoder: a discriminator drives codes to N(0, I) (Makhzani et al. 2016).

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        layer_sizes: widths of the discriminator's hidden layers.
        adversary_lr: the discriminator's learning rate; None for the optimizer's.

    Examples:
        >>> model = acai_tf.AAE(encoder, decoder, layer_sizes=(64, 64))
    """

    def __init__(self, encoder, decoder, layer_sizes=(100, 100), adversary_lr=None, **options):
        discriminator = PriorDiscriminator(layer_sizes, learning_rate=adversary_lr)
        super().__init__(encoder, decoder, **_with(discriminator, options=options))


@register
class VQVAE(Autoencoder):
    """Autoencoder with a discrete code from a learned codebook (van den Oord et al. 2017).

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        size, num_latents, beta, zero_debias: as for `VectorQuantized`.

    Examples:
        >>> model = acai_tf.VQVAE(encoder, decoder, size=512, zero_debias=True)
    """

    def __init__(
        self,
        encoder,
        decoder,
        size: int = 2**14,
        num_latents: int = 10,
        beta: float = 10.0,
        zero_debias: bool = False,
        **options,
    ):
        bottleneck = VectorQuantized(size, num_latents, beta, zero_debias)
        super().__init__(encoder, decoder, bottleneck, **options)


@register
class ACAI(Autoencoder):
    """Adversarially Constrained Autoencoder Interpolation (section 2.1).

    An autoencoder whose decoded mixes a critic cannot tell from reconstructions.

    Args:
        encoder, decoder, options: as for `Autoencoder`.
        weight: lambda of eq. 3, at least 0.
        gamma: of eq. 2, at least 0.
        critic: the critic's network, as for `InterpolationCritic`; None copies the encoder's
            architecture.
        critic_lr: the critic's learning rate; None for the optimizer's.

    Examples:
        >>> model = acai_tf.ACAI(encoder, decoder, weight=0.5, gamma=0.2)
        >>> model.compile()
        >>> history = model.fit(images, verbose=0)
    """

    def __init__(
        self, encoder, decoder, weight=0.5, gamma=0.2, critic=None, critic_lr=None, **options
    ):
        critic = InterpolationCritic(weight, gamma, critic, learning_rate=critic_lr)
        super().__init__(encoder, decoder, **_with(critic, options=options))


@register
class LRAE(Autoencoder):
    """Latent-regularized ACAI: codes follow N(0, I), by their MMD (LR-AE; IJCAI 2019).

    Args:
        encoder, decoder, weight, gamma, critic, critic_lr, options: as for `ACAI`.
        mmd_weight: of `MMD`, at least 0.

    Examples:
        >>> model = acai_tf.LRAE(encoder, decoder, mmd_weight=1.0)
    """

    def __init__(
        self,
        encoder,
        decoder,
        weight=0.5,
        gamma=0.2,
        critic=None,
        mmd_weight=1.0,
        critic_lr=None,
        **options,
    ):
        critic = InterpolationCritic(weight, gamma, critic, learning_rate=critic_lr)
        super().__init__(encoder, decoder, **_with(critic, MMD(mmd_weight), options=options))


@register
class MIAE(Autoencoder):
    """ACAI with a mixing coefficient for each value of the code (MI-AE; IJCAI 2019).

    Args:
        encoder, decoder, weight, gamma, critic_lr, options: as for `ACAI`.
        critic: as for `ACAI`; its output has the code's shape.

    Examples:
        >>> model = acai_tf.MIAE(encoder, decoder, weight=0.5)
    """

    def __init__(
        self, encoder, decoder, weight=0.5, gamma=0.2, critic=None, critic_lr=None, **options
    ):
        own = {"per_coordinate": True, "learning_rate": critic_lr}
        critic = InterpolationCritic(weight, gamma, critic, **own)
        super().__init__(encoder, decoder, **_with(critic, options=options))


@register
class MIDRAE(Autoencoder):
    """MI-AE and LR-AE, with mixes of codes and samples of the prior (MIDR-AE; IJCAI 2019).

    Args:
        encoder, decoder, weight, gamma, critic, critic_lr, options: as for `MIAE`.
        mmd_weight: of `MMD`, at least 0.
        noise_weight, fake_weight: of `PriorMixes`, at least 0.

    Examples:
        >>> model = acai_tf.MIDRAE(encoder, decoder, noise_weight=0.5, fake_weight=0.05)
    """

    def __init__(
        self,
        encoder,
        decoder,
        weight=0.5,
        gamma=0.2,
        critic=None,
        mmd_weight=1.0,
        noise_weight=0.1,
        fake_weight=0.1,
        critic_lr=None,
        **options,
    ):
        own = {"per_coordinate": True, "learning_rate": critic_lr}
        own |= {"noise_weight": noise_weight, "fake_weight": fake_weight}
        critic = PriorMixes(weight, gamma, critic, **own)
        super().__init__(encoder, decoder, **_with(critic, MMD(mmd_weight), options=options))

    def noise(self, seed, batch):
        noise = super().noise(seed, batch)
        noise["mmd"]["prior"] = noise["critic"]["prior"]  # one h, as in the original
        return noise


def _with(*regularizers, options: dict) -> dict:
    """Options of `Autoencoder` with further regularizers, before those they have."""
    return {**options, "regularizers": [*regularizers, *options.get("regularizers", ())]}
