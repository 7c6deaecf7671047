"""The networks' convolutions with less arithmetic: the same numbers, up to rounding.

Each function here computes one layer, or two consecutive ones, differently from the same
variables. `--fused=false` computes layer by layer; tests compare both.
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
    """A Sequential that fuses layers where that saves arithmetic.

    Args:
        fused: False computes layer by layer.
    """

    def __init__(self, *arguments, fused: bool = True, **options):
        super().__init__(*arguments, **options)
        # Each layer casts by its own policy; the network's would round its variables beforehand.
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
def unfused(model: keras.Model):
    """Within this context a model's networks are computed layer by layer."""
    layers = model._flatten_layers()
    networks = [layer for layer in layers if isinstance(layer, Network) and layer.fused]
    for network in networks:
        network.fused = False
    try:
        yield
    finally:
        for network in networks:
            network.fused = True


def steps(stack: list[layers.Layer]) -> list[Callable]:
    """Functions of a tensor that together compute a stack of layers, fused where possible."""
    match stack:
        case []:
            return []
        case [first, second, *rest] if _expands(first) and _is_plain(second):
            step = functools.partial(linear_then_convolution, first, second)
        case [
            layers.UpSampling2D(size=(2, 2), interpolation="nearest"),
            layers.Conv2D(kernel_size=(3, 3)) as conv,
            *rest,
        ] if _is_plain(conv) and backend.fuse_upsampling():
            step = functools.partial(upsampling_then_convolution, conv)
        case [conv, *rest] if _is_plain(conv):
            step = functools.partial(convolution, conv)
        case [step, *rest]:
            pass
    return [step, *steps(rest)]


def convolution(conv: layers.Conv2D, x):
    """A convolution, with the leaky ReLU of `backend.leaky_relu`."""
    return _activated(conv, ops.conv(*_cast(conv, x, conv.kernel.value), padding="same"))


def linear_then_convolution(first: layers.Conv2D, second: layers.Conv2D, x):
    """A linear 1x1 convolution and the convolution after it, as one convolution.

    The first gives h = x A + a at every pixel, the second sum_k h_k W_k over the pixels k around
    it: together sum_k [x_k, 1] [A; a] W_k. That is a convolution of x with an additional channel,
    which is 1 on the image and 0 where the second pads h. In encoder and critic its input has
    C + 1 channels (2 or 4) instead of `depth`.
    """
    x = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
    matrix = ops.concatenate([first.kernel[0, 0], first.bias[None]], axis=0)  # [C + 1, depth]
    kernel = ops.matmul(matrix, second.kernel.value)  # [3, 3, C + 1, out]
    return _activated(second, ops.conv(*_cast(second, x, kernel), padding="same"))


def upsampling_then_convolution(conv: layers.Conv2D, x):
    """Nearest upsampling by 2 and a 3x3 convolution, as one transposed convolution of stride 2.

    Of three neighbors in a row of the upsampled image, two are copies of one pixel. With a kernel
    (w0, w1, w2) the convolution gives
        y[2i]     = w0 x[i - 1] + (w1 + w2) x[i]
        y[2i + 1] = (w0 + w1) x[i] + w2 x[i + 1],
    so x[j] contributes (w2, w1 + w2, w0 + w1, w0) x[j] to y[2j - 1 .. 2j + 2]; columns likewise.
    That is 4 multiplications per output and channel instead of 9.
    """
    sums = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]
    in_both_directions = np.kron(sums, sums).astype("float32")  # [4 * 4, 3 * 3]
    _, _, inputs, outputs = conv.kernel.shape
    kernel = ops.matmul(in_both_directions, ops.reshape(conv.kernel, (9, inputs * outputs)))
    kernel = ops.transpose(ops.reshape(kernel, (4, 4, inputs, outputs)), (0, 1, 3, 2))
    y = ops.conv_transpose(*_cast(conv, x, kernel), strides=2, padding="same")
    return _activated(conv, y)


def _activated(conv: layers.Conv2D, y):
    """y with a convolution's bias and activation."""
    (bias,) = _cast(conv, ops.reshape(conv.bias.value, (1, 1, 1, -1)))
    if isinstance(conv.activation, layers.LeakyReLU):
        return backend.leaky_relu(ops.add(y, bias), conv.activation.negative_slope)
    return conv.activation(ops.add(y, bias))


def _cast(conv: layers.Conv2D, *tensors):
    """Tensors in the dtype that a layer computes in."""
    return [ops.cast(tensor, conv.compute_dtype) for tensor in tensors]


def _is_plain(layer: layers.Layer) -> bool:
    """Whether a layer is a convolution with stride 1 and a bias that keeps the image's size."""
    match layer:
        case layers.Conv2D(strides=(1, 1), dilation_rate=(1, 1), groups=1, use_bias=True):
            return layer.padding == "same" or layer.kernel_size == (1, 1)
    return False


def _expands(layer: layers.Layer) -> bool:
    """Whether a layer is a linear 1x1 convolution to more channels."""
    return (
        _is_plain(layer)
        and layer.kernel_size == (1, 1)
        and layer.activation is keras.activations.linear
        and layer.kernel.shape[2] < layer.filters
    )
