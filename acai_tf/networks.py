"""The networks of the original program: encoder, decoder, critic, probe.

Images are NHWC float32 in [-1, 1]; latents are maps [B, w, w, latent] with
w = H >> scales. Convolutions are 3x3, 'same', leaky ReLU of slope 0.2.
"""

import functools
from collections.abc import Callable

import keras
from keras import layers

from acai_tf.arithmetic import Network

SLOPE = 0.2  # of the leaky ReLU


def _in_policy(make: Callable[..., keras.Sequential]) -> Callable[..., keras.Sequential]:
    """Gives a network an argument `dtype`, a Keras dtype policy, for all but its last layer."""

    @functools.wraps(make)
    def made(*arguments, dtype: str = "float32", **options) -> keras.Sequential:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            return make(*arguments, **options)
        finally:
            keras.config.set_dtype_policy(before)

    return made


def _convolution(
    channels: int, fan_in: int, name: str, *, size: int = 3, linear: bool = False, dtype=None
):
    """Convolution with the original's initialiser: N(0, 1 / ((1 + slope**2) * fan_in))."""
    std = ((1 + SLOPE**2) * size * size * fan_in) ** -0.5
    return layers.Conv2D(
        channels,
        size,
        padding="same",
        activation=None if linear else layers.LeakyReLU(negative_slope=SLOPE),
        kernel_initializer=keras.initializers.RandomNormal(0.0, std),
        name=name,
        dtype=dtype,
    )


def _last(channels: int, fan_in: int, name: str):
    """What a network ends with: codes and images are float32, not rounded to fewer digits."""
    return _convolution(channels, fan_in, name, linear=True, dtype="float32")


@_in_policy
def encoder(
    image_shape: tuple[int, int, int],
    scales: int,
    depth: int,
    latent: int,
    name: str,
    fused: bool = True,
) -> Network:
    """Image [B, H, W, C] -> latent map [B, H >> scales, W >> scales, latent]."""
    first = _convolution(depth, image_shape[-1], "conv0", size=1, linear=True)
    stack = [keras.Input(image_shape), first]
    channels = depth
    index = 1
    for scale in range(scales):
        for _ in range(2):
            stack.append(_convolution(depth << scale, channels, f"conv{index}"))
            channels = depth << scale
            index += 1
        stack.append(layers.AveragePooling2D(2, name=f"pool{scale}"))
    stack.append(_convolution(depth << scales, channels, f"conv{index}"))
    stack.append(_last(latent, depth << scales, f"conv{index + 1}"))
    return Network(stack, name=name, fused=fused)


@_in_policy
def decoder(
    latent_shape: tuple[int, int, int],
    scales: int,
    depth: int,
    colors: int,
    name: str,
    fused: bool = True,
) -> Network:
    """Latent map [B, w, w, latent] -> image [B, w << scales, w << scales, colors]."""
    stack = [keras.Input(latent_shape)]
    channels = latent_shape[-1]
    index = 0
    for scale in reversed(range(scales)):
        for _ in range(2):
            stack.append(_convolution(depth << scale, channels, f"conv{index}"))
            channels = depth << scale
            index += 1
        stack.append(layers.UpSampling2D(2, interpolation="nearest", name=f"up{scale}"))
    stack.append(_convolution(depth, channels, f"conv{index}"))
    stack.append(_last(colors, depth, f"conv{index + 1}"))
    return Network(stack, name=name, fused=fused)


def critic(
    image_shape: tuple[int, int, int],
    scales: int,
    depth: int,
    latent: int,
    name: str = "critic",
    dtype: str = "float32",
    fused: bool = True,
) -> Network:
    """ACAI's critic: image [B, H, W, C] -> its estimate of alpha [B].

    A network shaped like the encoder; the estimate is the mean of its latent map.
    """
    body = encoder(image_shape, scales, depth, latent, name, fused=fused, dtype=dtype)
    # The mean over height and width, then over channels, is the mean over all of them.
    body.add(layers.GlobalAveragePooling2D(name="mean_hw"))
    body.add(layers.Reshape((latent, 1), name="channels"))
    body.add(layers.GlobalAveragePooling1D(name="mean_channels"))
    body.add(layers.Reshape((), name="estimate"))
    return body


def probe(latent_shape: tuple[int, int, int], classes: int, name: str = "probe"):
    """Linear probe: latent map [B, w, w, latent] -> logits [B, classes]."""
    return keras.Sequential(
        [
            keras.Input(latent_shape),
            layers.Flatten(name="flatten"),
            layers.Dense(classes, name="dense"),
        ],
        name=name,
    )


def discriminator(
    latent_shape: tuple[int, int, int], sizes: list[int], name: str = "discriminator"
) -> keras.Sequential:
    """The AAE's: latent map [B, w, w, latent] -> logit [B, 1] that it is a draw of the prior."""
    stack = [keras.Input(latent_shape), layers.Flatten(name="flatten")]
    for index, size in enumerate(sizes):
        activation = layers.LeakyReLU(negative_slope=SLOPE)
        stack.append(layers.Dense(size, activation=activation, name=f"dense{index}"))
    stack.append(layers.Dense(1, name=f"dense{len(sizes)}"))
    return keras.Sequential(stack, name=name)
