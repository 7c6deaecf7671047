"""Networks: the paper's encoder and decoder, probe and discriminator; residual networks.

Images are NHWC float32 in [-1, 1]; codes are maps [B, w, w, latent] with w = H >> scales. The
paper's networks take signals [B, T, C] too, with the layers of one dimension.
"""

import functools
from collections.abc import Sequence

import keras
from keras import layers

from acai_tf.config import poolings
from acai_tf.errors import UsageError
from acai_tf.models.fused import Network

SLOPE = 0.2  # of leaky ReLUs
GAIN = {"published": 1, "he": 2}  # by initializer, times the original's variance
# By the number of an element's sides.
CONVOLUTION = {1: layers.Conv1D, 2: layers.Conv2D}
POOLING = {1: layers.AveragePooling1D, 2: layers.AveragePooling2D}
UPSAMPLING = {1: layers.UpSampling1D, 2: layers.UpSampling2D}  # to the nearest


def _convolution(
    sides: int,
    channels: int,
    fan_in: int,
    name: str,
    *,
    size: int = 3,
    linear: bool = False,
    dtype=None,
    initializer: str = "published",
) -> layers.Layer:
    """A convolution with the original's initializer N(0, 1 / ((1 + SLOPE**2) * fan_in)), or with
    twice that variance (He et al. 2015)."""
    std = ((1 + SLOPE**2) * size**sides * fan_in / GAIN[initializer]) ** -0.5
    return CONVOLUTION[sides](
        channels,
        size,
        padding="same",
        activation=None if linear else layers.LeakyReLU(negative_slope=SLOPE),
        kernel_initializer=keras.initializers.RandomNormal(0.0, std),
        name=name,
        dtype=dtype,
    )


def encoder(
    image_shape: tuple[int, ...],
    scales: int,
    depth: int,
    latent: int,
    name: str = "encoder",
    fused: bool = True,
    initializer: str = "published",
) -> Network:
    """The paper's encoder, images [B, H, W, C] -> [B, H >> scales, W >> scales, latent]."""
    sides = len(image_shape) - 1
    convolution = functools.partial(_convolution, sides, initializer=initializer)
    pooling = POOLING[sides]
    first = convolution(depth, image_shape[-1], "conv0", size=1, linear=True)
    stack = [keras.Input(image_shape), first]
    channels, index = depth, 1
    for scale in range(scales):
        for _ in range(2):
            stack.append(convolution(depth << scale, channels, f"conv{index}"))
            channels, index = depth << scale, index + 1
        stack.append(pooling(2, name=f"pool{scale}"))
    stack.append(convolution(depth << scales, channels, f"conv{index}"))
    # The last layer of encoder and decoder is float32 under any dtype policy.
    last = f"conv{index + 1}"
    stack.append(convolution(latent, depth << scales, last, linear=True, dtype="float32"))
    return Network(stack, name=name, fused=fused)


def decoder(
    latent_shape: tuple[int, ...],
    scales: int,
    depth: int,
    colors: int,
    name: str = "decoder",
    fused: bool = True,
    initializer: str = "published",
) -> Network:
    """The paper's decoder, codes [B, h, w, latent] -> [B, h << scales, w << scales, colors]."""
    sides = len(latent_shape) - 1
    convolution = functools.partial(_convolution, sides, initializer=initializer)
    upsampling = UPSAMPLING[sides]
    stack = [keras.Input(latent_shape)]
    channels, index = latent_shape[-1], 0
    for scale in reversed(range(scales)):
        for _ in range(2):
            stack.append(convolution(depth << scale, channels, f"conv{index}"))
            channels, index = depth << scale, index + 1
        stack.append(upsampling(2, name=f"up{scale}"))
    stack.append(convolution(depth, channels, f"conv{index}"))
    last = f"conv{index + 1}"
    stack.append(convolution(colors, depth, last, linear=True, dtype="float32"))
    return Network(stack, name=name, fused=fused)


def paper(
    image_shape: tuple[int, ...],
    depth: int,
    latent: int,
    latent_width: int,
    fused: bool = True,
    initializer: str = "published",
) -> tuple[Network, Network]:
    """The paper's encoder and decoder.

    Args:
        image_shape: (height, width, channels), or (length, channels) of a signal.
        depth: channels of the first convolution; they double at every pooling.
        latent: channels of the code.
        latent_width: shorter side of the code.
        fused: compute them with less arithmetic.
        initializer: "published", or "he" for twice the variance.

    Raises:
        UsageError: latent_width is not the image's shorter side / 2**n.
    """
    *sides, colors = image_shape
    scales = poolings(sides, latent_width)
    latent_shape = (*(side >> scales for side in sides), latent)
    options = {"fused": fused, "initializer": initializer}
    return (
        encoder(image_shape, scales, depth, latent, **options),
        decoder(latent_shape, scales, depth, colors, **options),
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

    Each scale has `blocks` blocks x + conv(act(conv(act(x)))), then average pooling, or
    upsampling in the decoder. There is no normalization, so that a critic of the same
    architecture can share a backward pass.

    Args:
        image_shape, depth, latent, latent_width: as for `paper`.
        blocks: per scale.
        widest: channels double at every pooling up to this number.
        patch: the encoder begins, and the decoder ends, with patches of this many pixels a side.

    Raises:
        UsageError: the image cannot be divided into patches, or latent_width does not fit.
    """
    *sides, colors = image_shape
    if len(sides) != 2:
        raise UsageError(f"residual networks take images, not signals {image_shape}")
    if any(side % patch for side in sides):
        raise UsageError(f"images of {sides} pixels cannot be divided into patches of {patch}")
    height, width = (side // patch for side in sides)
    scales = poolings((height, width), latent_width)
    channels = [min(depth << scale, max(depth, widest)) for scale in range(scales + 1)]

    def activation(x):
        return layers.LeakyReLU(negative_slope=SLOPE)(x)

    def conv(x, filters, size=3, **options):
        return layers.Conv2D(filters, size, padding="same", **options)(x)

    def stage(x, filters):
        for _ in range(blocks):
            if x.shape[-1] != filters:
                x = conv(x, filters, size=1)
            y = x
            for _ in range(2):
                y = conv(activation(y), filters, kernel_initializer=keras.initializers.HeNormal())
            # A block doubles the variance at first; 0.25 keeps deep networks in range.
            x = layers.Add()([x, layers.Rescaling(0.25)(y)])
        return x

    with keras.name_scope("encoder"):
        images = x = keras.Input(image_shape)
        x = conv(x, channels[0], max(3, patch), strides=patch)
        for filters in channels[:-1]:
            x = layers.AveragePooling2D(2)(stage(x, filters))
        x = conv(activation(stage(x, channels[-1])), latent, dtype="float32")
        encoder = keras.Model(images, x, name="encoder")
    with keras.name_scope("decoder"):
        codes = x = keras.Input((height >> scales, width >> scales, latent))
        x = conv(x, channels[-1])
        for filters in reversed(channels[:-1]):
            x = layers.UpSampling2D(2, interpolation="nearest")(stage(x, filters))
        x = activation(stage(x, channels[0]))
        if patch > 1:
            x = activation(layers.Conv2DTranspose(channels[0], patch, strides=patch)(x))
        decoder = keras.Model(codes, conv(x, colors, dtype="float32"), name="decoder")
    return encoder, decoder


def large(
    image_shape: tuple[int, int, int], depth: int, latent: int, latent_width: int
) -> tuple[keras.Model, keras.Model]:
    """`residual` networks on patches of 4x4 pixels, for images of 64 to 256 pixels."""
    return residual(image_shape, depth, latent, latent_width, patch=4)


def recurrent(
    image_shape: tuple[int, int], depth: int, latent: int, latent_width: int, units: int = 128
) -> tuple[keras.Model, keras.Model]:
    """Bidirectional GRUs for signals and tokens (Cho et al. 2014).

    The last states of the encoder's GRU make the code. The decoder's reads the whole code at each
    place, so that all places are decoded at once.

    Args:
        image_shape: (length, channels); the channels of tokens are one-hot.
        depth: size of the embedding.
        latent, latent_width: as for `paper`; any latent_width fits.
        units: of the GRU of each direction.

    Raises:
        UsageError: inputs that are not sequences.
    """
    if len(image_shape) != 2:
        raise UsageError(f"recurrent networks take signals or tokens, not images {image_shape}")
    length, channels = image_shape

    def gru(sequences):
        return layers.Bidirectional(layers.GRU(units, return_sequences=sequences), name="gru")

    encoder = [
        keras.Input(image_shape),
        layers.Dense(depth, name="embedding"),
        gru(False),
        layers.Dense(latent_width * latent, dtype="float32", name="code"),
        layers.Reshape((latent_width, latent), dtype="float32"),
    ]
    decoder = [
        keras.Input((latent_width, latent)),
        layers.Flatten(),
        layers.RepeatVector(length),
        gru(True),
        layers.Dense(channels, dtype="float32", name="out"),
    ]
    return Network(encoder, name="encoder"), Network(decoder, name="decoder")


def probe(latent_shape: tuple[int, ...], classes: int, name: str = "probe") -> Network:
    """A linear classifier, codes [B, ...] -> logits [B, classes]."""
    stack = [keras.Input(latent_shape), layers.Flatten(name="flatten")]
    return Network([*stack, layers.Dense(classes, name="dense")], name=name)


def discriminator(
    latent_shape: tuple[int, ...], sizes: Sequence[int], name: str = "discriminator"
) -> Network:
    """The AAE's discriminator, codes [B, ...] -> logits [B, 1] of being a sample of the prior."""
    stack = [keras.Input(latent_shape), layers.Flatten(name="flatten")]
    for index, size in enumerate(sizes):
        activation = layers.LeakyReLU(negative_slope=SLOPE)
        stack.append(layers.Dense(size, activation=activation, name=f"dense{index}"))
    stack.append(layers.Dense(1, name=f"dense{len(sizes)}"))
    return Network(stack, name=name)


def rebuilt(network: dict, name: str | None = None, custom_objects=None) -> keras.Model:
    """A serialized network with fresh weights, whose paths begin with `name`, or its old name."""
    name = name or network["config"]["name"]
    network = {**network, "config": {**network["config"], "name": name}}
    with keras.name_scope(name):
        return keras.saving.deserialize_keras_object(network, custom_objects)


def like(network: keras.Model, name: str) -> keras.Model:
    """A network of the same architecture with fresh weights; UsageError if it has no config."""
    try:
        return rebuilt(keras.saving.serialize_keras_object(network), name)
    except (NotImplementedError, TypeError) as error:
        raise UsageError(
            f"the {name} cannot copy the encoder's architecture ({error}); pass its network"
        ) from error


def input_shape(network: keras.Model, what: str) -> tuple[int, ...]:
    """The shape that a network takes, without the batch; UsageError if it is not known."""
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise UsageError(
            f"the {what}'s input shape is not known: begin it with keras.Input(shape), or wrap it"
            " as keras.Sequential([keras.Input(shape), network])"
        )
    return shape[1:]


def check_shape(what: str, shape: tuple, expected: tuple) -> None:
    """Raise UsageError unless two shapes, without the batch, are equal."""
    if tuple(shape) != tuple(expected):
        raise UsageError(f"the {what} has shape {tuple(shape)}, it must be {tuple(expected)}")
