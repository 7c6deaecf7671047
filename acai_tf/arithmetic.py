"""The networks' convolutions with less arithmetic: the same numbers up to rounding.

Each identity takes layers of a network as they are, with their variables, and computes the last
one's output from the first one's input. `--fused=false` goes without.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from acai_tf import backend


@keras.saving.register_keras_serializable("acai_tf")
class Network(keras.Sequential):
    """A Sequential that computes neighbours together where that is less work.

    Args:
        fused: whether it does.
    """

    def __init__(self, *arguments, fused: bool = True, **options):
        super().__init__(*arguments, **options)
        self.fused = fused

    def call(self, inputs, training=None, mask=None):
        for step in steps(self.layers) if self.fused else self.layers:
            inputs = step(inputs)
        return inputs


def steps(stack: list[layers.Layer]) -> list[Callable]:
    """What a stack of layers does, as functions of tensors: one for several layers, or another one
    for a layer, where that is less work."""
    done, rest = [], list(stack)
    while rest:
        match rest:
            case [layers.Conv2D() as first, layers.Conv2D() as second, *_] if _is_linear(first):
                done.append(functools.partial(linear_then_convolution, first, second))
            case [layers.UpSampling2D(), layers.Conv2D(kernel_size=(3, 3)) as conv, *_]:
                done.append(functools.partial(upsampling_then_convolution, conv))
            case [layers.Conv2D() as conv, *_]:
                done.append(functools.partial(convolution, conv))
                del rest[:1]
                continue
            case [layer, *_]:
                done.append(layer)
                del rest[:1]
                continue
        del rest[:2]
    return done


def convolution(conv: layers.Conv2D, x):
    """A convolution; its leaky ReLU by `backend.leaky_relu`."""
    return _convolution(conv, x, conv.kernel.value)


def linear_then_convolution(first: layers.Conv2D, second: layers.Conv2D, x):
    """A linear 1x1 convolution and the convolution after it, in one with the second's kernel size.

    h = x A + a at every pixel, y = sum_k h_k W_k + b over the pixels k of the kernel. So
    y = sum_k [x_k, 1] [A; a] W_k + b: a convolution of x with one more channel, which is 1
    in the image and 0 where the second one pads with zeros. In ACAI's encoder and critic it has
    C + 1 channels in, 2 or 4, instead of `depth`.
    """
    x = ops.cast(x, second.compute_dtype)
    x = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
    matrix = ops.concatenate([first.kernel[0, 0], first.bias[None]], axis=0)  # [C + 1, depth]
    return _convolution(second, x, ops.matmul(matrix, second.kernel.value))


def upsampling_then_convolution(conv: layers.Conv2D, x):
    """Nearest upsampling by 2 and a 3x3 convolution, in one transposed convolution of stride 2.

    Of the three neighbours that an output sums in a row of the upsampled image, two are copies of
    one pixel. With kernel (w0, w1, w2) of the convolution,
        y[2i]     = w0 x[i - 1] + (w1 + w2) x[i]
        y[2i + 1] = (w0 + w1) x[i] + w2 x[i + 1],
    so pixel x[j] adds (w2, w1 + w2, w0 + w1, w0) times itself to y[2j - 1 .. 2j + 2], and the same
    in columns: 4 multiplications an output instead of 9.
    """
    sums = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]
    inputs, outputs = conv.kernel.shape[2:]
    both = np.kron(sums, sums).astype("float32")  # [4 * 4, 3 * 3]
    kernel = ops.matmul(both, ops.reshape(conv.kernel, (9, inputs * outputs)))
    kernel = ops.transpose(ops.reshape(kernel, (4, 4, inputs, outputs)), (0, 1, 3, 2))
    return _convolution(conv, x, kernel, transposed=True)


def _convolution(conv: layers.Conv2D, x, kernel, transposed: bool = False):
    """What `conv` does, with another kernel."""
    x, kernel, bias = (ops.cast(t, conv.compute_dtype) for t in (x, kernel, conv.bias.value))
    if transposed:
        y = ops.conv_transpose(x, kernel, strides=2, padding="same")
    else:
        y = ops.conv(x, kernel, padding="same")
    y = ops.add(y, ops.reshape(bias, (1, 1, 1, -1)))
    if isinstance(conv.activation, layers.LeakyReLU):
        return backend.leaky_relu(y, conv.activation.negative_slope)
    return conv.activation(y)


def _is_linear(conv: layers.Conv2D) -> bool:
    """1x1 and without activation, and to more channels than it is worth."""
    return (
        conv.kernel_size == (1, 1)
        and conv.activation is keras.activations.linear
        and conv.kernel.shape[2] < conv.filters
    )
