"""Networks: the paper's encoder and decoder, probe and discriminator; residual ones.

Images are NHWC float32 in [-1, 1]; latents are maps [B, w, w, latent] with
w = H >> scales. Convolutions are 3x3, 'same', leaky ReLU of slope 0.2.
"""

from collections.abc import Sequence

import keras
from keras import layers

from acai_tf.config import poolings
from acai_tf.errors import UsageError
from acai_tf.models.fused import Network

SLOPE = 0.2  # of the leaky ReLU


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


def rebuilt(network: dict, name: str | None = None, custom_objects=None) -> keras.Model:
    """A network with fresh weights, from what `keras.saving.serialize_keras_object` made of one.

    Args:
        network: that.
        name: of the new one; its variables' paths begin with it. None: the old one's.
        custom_objects: as Keras takes them.
    """
    name = name or network["config"]["name"]
    with keras.name_scope(name):
        return keras.saving.deserialize_keras_object(
            {**network, "config": {**network["config"], "name": name}}, custom_objects
        )


def paper(
    image_shape: tuple[int, int, int],
    depth: int,
    latent: int,
    latent_width: int,
    fused: bool = True,
) -> tuple[Network, Network]:
    """The paper's encoder and decoder.

    Args:
        image_shape: (height, width, colors).
        depth: channels of the first convolution; they double at every pooling.
        latent: channels of the latent map.
        latent_width: its shorter side.
        fused: compute them with less arithmetic.

    Raises:
        UsageError: latent_width is not the image's shorter side / 2**n.
    """
    height, width, colors = image_shape
    scales = poolings(image_shape, latent_width)
    latent_shape = (height >> scales, width >> scales, latent)
    return (
        encoder(image_shape, scales, depth, latent, "encoder", fused=fused),
        decoder(latent_shape, scales, depth, colors, "decoder", fused=fused),
    )


def residual(
    image_shape: tuple[int, int, int],
    depth: int,
    latent: int,
    latent_width: int,
    blocks: int = 1,
    widest: int = 256,
    patch: int = 1,
) -> tuple[keras.Model, keras.Model]:
    """Pre-activation residual networks (He et al. 2016).

    At every scale `blocks` blocks x + conv(act(conv(act(x)))), then average pooling, or
    upsampling in the decoder. No normalisation, so that a critic of the same architecture can
    share a backward pass.

    Args:
        image_shape, depth, latent, latent_width: as `paper`.
        blocks: at each scale.
        widest: channels double at every pooling up to this many.
        patch: the encoder begins, and the decoder ends, with patches of this many pixels a side.
    """
    *sides, colors = image_shape
    if any(side % patch for side in sides):
        raise UsageError(f"images of {sides} pixels cannot be cut into patches of {patch}")
    height, width = (side // patch for side in sides)
    scales = poolings((height, width), latent_width)
    channels = [min(depth << scale, max(depth, widest)) for scale in range(scales + 1)]

    def conv(x, filters, size=3, **options):
        return layers.Conv2D(filters, size, padding="same", **options)(x)

    def block(x, filters):
        if x.shape[-1] != filters:
            x = conv(x, filters, size=1)
        y = x
        for _ in range(2):
            # Each block adds as much variance as there is: smaller steps at first keep it in range.
            y = layers.LeakyReLU(negative_slope=SLOPE)(y)
            y = conv(y, filters, kernel_initializer=keras.initializers.HeNormal())
        return layers.Add()([x, layers.Rescaling(0.25)(y)])

    def stage(x, filters):
        for _ in range(blocks):
            x = block(x, filters)
        return x

    with keras.name_scope("encoder"):
        images = x = keras.Input(image_shape)
        x = conv(x, channels[0], max(3, patch), strides=patch)
        for filters in channels[:-1]:
            x = layers.AveragePooling2D(2)(stage(x, filters))
        x = layers.LeakyReLU(negative_slope=SLOPE)(stage(x, channels[-1]))
        encoded = keras.Model(images, conv(x, latent, dtype="float32"), name="encoder")
    with keras.name_scope("decoder"):
        codes = x = keras.Input((height >> scales, width >> scales, latent))
        x = conv(x, channels[-1])
        for filters in reversed(channels[:-1]):
            x = layers.UpSampling2D(2, interpolation="nearest")(stage(x, filters))
        x = layers.LeakyReLU(negative_slope=SLOPE)(stage(x, channels[0]))
        if patch > 1:
            x = layers.Conv2DTranspose(channels[0], patch, strides=patch)(x)
            x = layers.LeakyReLU(negative_slope=SLOPE)(x)
        decoded = keras.Model(codes, conv(x, colors, dtype="float32"), name="decoder")
    return encoded, decoded


def large(
    image_shape: tuple[int, int, int], depth: int, latent: int, latent_width: int
) -> tuple[keras.Model, keras.Model]:
    """`residual` networks for images of 64 to 256 pixels: on patches of four pixels a side."""
    return residual(image_shape, depth, latent, latent_width, patch=4)


def probe(latent_shape: tuple[int, ...], classes: int, name: str = "probe"):
    """Linear probe: latent map [B, w, w, latent] -> logits [B, classes]."""
    stack = [keras.Input(latent_shape), layers.Flatten(name="flatten")]
    return Network([*stack, layers.Dense(classes, name="dense")], name=name)


def discriminator(
    latent_shape: tuple[int, ...], sizes: Sequence[int], name: str = "discriminator"
) -> Network:
    """The AAE's: latent map [B, w, w, latent] -> logit [B, 1] that it is a draw of the prior."""
    stack = [keras.Input(latent_shape), layers.Flatten(name="flatten")]
    for index, size in enumerate(sizes):
        activation = layers.LeakyReLU(negative_slope=SLOPE)
        stack.append(layers.Dense(size, activation=activation, name=f"dense{index}"))
    stack.append(layers.Dense(1, name=f"dense{len(sizes)}"))
    return Network(stack, name=name)
