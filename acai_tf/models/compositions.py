"""The paper's seven autoencoders: which parts each is made of (section 4).

Each takes an encoder and a decoder, and what `Autoencoder` takes beside its own parts:
    model = acai_tf.ACAI(encoder, decoder, classes=10)
"""

import keras

from acai_tf.models.autoencoder import Autoencoder
from acai_tf.models.bottlenecks import CodeDropout, Gaussian, VectorQuantized
from acai_tf.models.corruption import GaussianNoise
from acai_tf.models.reconstruction import Bernoulli
from acai_tf.models.regularizers.interpolation_critic import InterpolationCritic
from acai_tf.models.regularizers.prior_discriminator import PriorDiscriminator

register = keras.saving.register_keras_serializable("acai_tf")


@register
class Baseline(Autoencoder):
    """min ||x - D(E(x))||^2 (eq. 1).

    Example:
        model = acai_tf.Baseline(encoder, decoder)
    """


@register
class Denoising(Autoencoder):
    """min ||x - D(E(x + n))||^2, n ~ N(0, noise^2) (Vincent et al. 2010).

    Inference methods and the probe see the clean x.

    Example:
        model = acai_tf.Denoising(encoder, decoder, noise=0.5)
    """

    def __init__(self, encoder, decoder, noise: float = 1.0, **options):
        super().__init__(encoder, decoder, corruption=GaussianNoise(noise), **options)


@register
class Dropout(Autoencoder):
    """min ||x - D(m * E(x) / keep)||^2, each value of m 1 with probability `keep`.

    Example:
        model = acai_tf.Dropout(encoder, decoder, keep=0.75)
    """

    def __init__(self, encoder, decoder, keep: float = 0.5, **options):
        super().__init__(encoder, decoder, CodeDropout(keep), **options)


@register
class VAE(Autoencoder):
    """max E_q[log p(x | z)] - beta KL(q(z | x) || N(0, I)) (Kingma and Welling 2014).

    p is a Bernoulli over (x + 1) / 2. A step decodes a sample of z; the original's encode and
    reconstruct drew one too, here they use mu unless they are given an `epsilon`.

    Example:
        model = acai_tf.VAE(encoder, decoder, beta=1.0)
    """

    log_names = ("elbo",)

    def __init__(self, encoder, decoder, beta: float = 1.0, **options):
        super().__init__(encoder, decoder, Gaussian(beta), Bernoulli(), **options)

    def more_logs(self, logs):
        return {"elbo": logs["loss_ll"] - self.bottleneck.beta * logs["loss_kl"]}


@register
class AAE(Autoencoder):
    """An autoencoder whose codes a discriminator cannot tell from N(0, I) (Makhzani et al. 2016).

    Example:
        model = acai_tf.AAE(encoder, decoder, layer_sizes=(100, 100))
    """

    def __init__(self, encoder, decoder, layer_sizes=(100, 100), adversary_lr=None, **options):
        discriminator = PriorDiscriminator(layer_sizes, learning_rate=adversary_lr)
        super().__init__(encoder, decoder, **_worn(discriminator, options))


@register
class VQVAE(Autoencoder):
    """A codebook of moving averages between encoder and decoder (van den Oord et al. 2017).

    Example:
        model = acai_tf.VQVAE(encoder, decoder, size=512, zero_debias=True)
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
    """An autoencoder whose decoded mixes a critic cannot tell from real ones (section 2.1).

    Example:
        model = acai_tf.ACAI(encoder, decoder, weight=0.5, gamma=0.2)
    """

    def __init__(self, encoder, decoder, weight=0.5, gamma=0.2, critic=None, **options):
        critic = InterpolationCritic(weight, gamma, critic)
        super().__init__(encoder, decoder, **_worn(critic, options))


def _worn(regularizer, options: dict) -> dict:
    """Options with a model's own regularizer before those that it wears besides."""
    return {**options, "regularizers": [regularizer, *options.get("regularizers", ())]}
