"""How a critic's mixed codes are made of a batch's codes z, and the alpha that it has to estimate.

z_2 are the codes of the batch in reverse order. `lerp` is ACAI's. `mask` and `dirichlet` are the
Bernoulli and the k-way mixes of AMR (Beckham et al. 2019), whose discriminator is asked for no
alpha; here it is how much of a mix is not from the code that it has most of.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from acai_tf.models import interpolation, losses


class Mixing(NamedTuple):
    """One way to mix.

    Attributes:
        noise: (seed, batch, shape of a code) -> the step's random numbers, {name: [batch, ...]}.
        mix: (z [B, ...], noise) -> (mixed codes [B, ...], alpha, flat: [B], or one per
            coordinate).
    """

    noise: Callable
    mix: Callable


def _lerp_noise(seed, batch, shape):
    return {"uniform": keras.random.uniform((batch, *[1] * len(shape)), seed=seed)}


def _lerp(z, noise):
    """alpha z_1 + (1 - alpha) z_2 with alpha ~ U(0, 0.5)."""
    alpha = losses.fold_alpha(noise["uniform"])
    return interpolation.mix_pairs(z, alpha), ops.reshape(alpha, (-1,))


def _coordinate_noise(seed, batch, shape):
    return {"uniform": keras.random.uniform((batch, *shape), seed=seed)}


def _mask_noise(seed, batch, shape):
    channels = keras.random.uniform((batch, *[1] * (len(shape) - 1), shape[-1]), seed=seed)
    return {**_lerp_noise(seed, batch, shape), "channels": channels}


def _mask(z, noise):
    """m z_1 + (1 - m) z_2: m is 1 or 0 for each channel, 1 with probability p, p ~ U(0, 1).

    alpha is the share of the channels of the code that gives fewer, in [0, 0.5].
    """
    m = ops.cast(noise["channels"] < noise["uniform"], z.dtype)
    share = ops.mean(m, axis=tuple(range(1, len(m.shape))))
    return interpolation.mix_pairs(z, m), losses.fold_alpha(share)


def _dirichlet_noise(seed, batch, shape):
    return {"uniforms": keras.random.uniform((batch, 3), seed=seed)}


def _dirichlet(z, noise):
    """w_1 z_1 + w_2 z_2 + w_3 z_3 with w ~ Dirichlet(1, 1, 1).

    z_3 is the code before z_1, in the replica's share of the batch. alpha is 1 - max w, in
    [0, 2/3].
    """
    exponential = -ops.log1p(-noise["uniforms"])  # scaled to a sum of 1, a Dirichlet(1, 1, 1)
    w = exponential / ops.sum(exponential, axis=1, keepdims=True)
    codes = (z, ops.flip(z, axis=0), ops.roll(z, 1, axis=0))
    weights = (ops.reshape(w[:, k], (-1,) + (1,) * (len(z.shape) - 1)) for k in range(3))
    mixed = sum(weight * code for weight, code in zip(weights, codes, strict=True))
    return mixed, 1 - ops.max(w, axis=1)


PER_COORDINATE = Mixing(_coordinate_noise, _lerp)  # an alpha for each value of the code
MIXINGS = {
    "lerp": Mixing(_lerp_noise, _lerp),
    "mask": Mixing(_mask_noise, _mask),
    "dirichlet": Mixing(_dirichlet_noise, _dirichlet),
}
