"""The networks' convolutions with less arithmetic: the same numbers up to rounding.

Each identity here computes a layer, or two neighbours at once, in another way from the variables
that they have. `--fused=false` goes without; tests hold both to each other.
"""

import contextlib
import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from acai_tf import backend


@keras.saving.register_keras_serializable("acai_tf")
class Network(keras.Sequential):
    """A Sequential that takes layers by the identities below where they apply.

    Args:
        fused: whether it does.
    """

    def __init__(self, *arguments, fused: bool = True, **options):
        super().__init__(*arguments, **options)
        # The layers cast for themselves: under a policy of its own, theirs would get variables
        # that are rounded already.
        self.dtype_policy = "float32"
        self.fused = fused

    def get_config(self) -> dict:
        return {**super().get_config(), "fused": self.fused}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        fused = config.pop("fused", True)
        network = super().from_config(config, custom_objects)
        network.fused = fused
        return network

    def call(self, inputs, training=None, mask=None):
        for step in steps(self.layers) if self.fused else self.layers:
            inputs = step(inputs)
        return inputs


@contextlib.contextmanager
def straightforward(model: keras.Model):
    """Within this context a model's networks are computed layer by layer."""
    every = model._flatten_layers()
    networks = [layer for layer in every if isinstance(layer, Network) and layer.fused]
    for network in networks:
        network.fused = False
    try:
        yield
    finally:
        for network in networks:
            network.fused = True


def steps(stack: list[layers.Layer]) -> list[Callable]:
    """What the layers of a stack do one after the other, as functions of tensors; fewer of them
    where an identity takes two layers at once."""
    match stack:
        case []:
            return []
        case [first, second, *rest] if _plain(first) and _widens(first) and _plain(second):
            step = functools.partial(linear_then_convolution, first, second)
        case [
            layers.UpSampling2D(size=(2, 2), interpolation="nearest"),
            layers.Conv2D(kernel_size=(3, 3)) as conv,
            *rest,
        ] if _plain(conv) and backend.transposed_convolution_pays():
            step = functools.partial(upsampling_then_convolution, conv)
        case [conv, *rest] if _plain(conv):
            step = functools.partial(convolution, conv)
        case [step, *rest]:
            pass
    return [step, *steps(rest)]


def convolution(conv: layers.Conv2D, x):
    """A convolution as it is, its leaky ReLU by `backend.leaky_relu`."""
    return _finished(conv, ops.conv(*_cast(conv, x, conv.kernel.value), padding="same"))


def linear_then_convolution(first: layers.Conv2D, second: layers.Conv2D, x):
    """A linear 1x1 convolution and the convolution after it, at once.

    The first gives h = x A + a at every pixel, the second sum_k h_k W_k over the pixels k around
    one. Together that is sum_k [x_k, 1] [A; a] W_k: a convolution, with a kernel as large as the
    second's, of x with one more channel, which is 1 on the image and 0 where the second pads h
    with zeros. In encoder and critic it has C + 1 channels in (2 or 4) instead of `depth`.
    """
    x = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
    matrix = ops.concatenate([first.kernel[0, 0], first.bias[None]], axis=0)  # [C + 1, depth]
    kernel = ops.matmul(matrix, second.kernel.value)  # [3, 3, C + 1, out]
    return _finished(second, ops.conv(*_cast(second, x, kernel), padding="same"))


def upsampling_then_convolution(conv: layers.Conv2D, x):
    """Nearest upsampling by 2 and a 3x3 convolution, as one transposed convolution of stride 2.

    Of three neighbours in a row of the upsampled image two are copies of one pixel. With a kernel
    (w0, w1, w2) the convolution gives
        y[2i]     = w0 x[i - 1] + (w1 + w2) x[i]
        y[2i + 1] = (w0 + w1) x[i] + w2 x[i + 1],
    so x[j] adds (w2, w1 + w2, w0 + w1, w0) times itself to y[2j - 1 .. 2j + 2]; the same goes for
    columns. That is 4 multiplications for each output and channel instead of 9.
    """
    sums = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]
    in_both_directions = np.kron(sums, sums).astype("float32")  # [4 * 4, 3 * 3]
    _, _, inputs, outputs = conv.kernel.shape
    kernel = ops.matmul(in_both_directions, ops.reshape(conv.kernel, (9, inputs * outputs)))
    kernel = ops.transpose(ops.reshape(kernel, (4, 4, inputs, outputs)), (0, 1, 3, 2))
    y = ops.conv_transpose(*_cast(conv, x, kernel), strides=2, padding="same")
    return _finished(conv, y)


def _finished(conv: layers.Conv2D, y):
    """Bias and activation."""
    (bias,) = _cast(conv, ops.reshape(conv.bias.value, (1, 1, 1, -1)))
    if isinstance(conv.activation, layers.LeakyReLU):
        return backend.leaky_relu(ops.add(y, bias), conv.activation.negative_slope)
    return conv.activation(ops.add(y, bias))


def _cast(conv: layers.Conv2D, *tensors):
    """Tensors in the type that a layer computes in."""
    return [ops.cast(tensor, conv.compute_dtype) for tensor in tensors]


def _plain(layer: layers.Layer) -> bool:
    """Whether it is a convolution as those of the networks are, which the identities go for."""
    match layer:
        case layers.Conv2D(
            strides=(1, 1), padding="same", dilation_rate=(1, 1), groups=1, use_bias=True
        ):
            return True
        case layers.Conv2D(kernel_size=(1, 1), strides=(1, 1), groups=1, use_bias=True):
            return True  # nothing to pad
    return False


def _widens(conv: layers.Conv2D) -> bool:
    """Whether it is linear at every pixel, and brings it to more channels."""
    return (
        conv.kernel_size == (1, 1)
        and conv.activation is keras.activations.linear
        and conv.kernel.shape[2] < conv.filters
    )
