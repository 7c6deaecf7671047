"""The networks' convolutions with less arithmetic: the same numbers up to rounding.

Each identity takes two neighbouring layers of a network as they are, with their variables, and
computes the second one's output from the first one's input. `--fused=false` goes without.
"""

from collections.abc import Callable

import keras
from keras import layers, ops


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

    def get_config(self) -> dict:
        return {**super().get_config(), "fused": self.fused}


def steps(stack: list[layers.Layer]) -> list[Callable]:
    """What a stack of layers does, as functions of tensors; one for two layers where there is one
    that is less work."""
    done, rest = [], list(stack)
    while rest:
        together = next((fuse for fits, fuse in _IDENTITIES if fits(*rest[:2])), None)
        done.append(together(*rest[:2]) if together else rest[0])
        del rest[: 2 if together else 1]
    return done


def linear_then_convolution(first: layers.Conv2D, second: layers.Conv2D) -> Callable:
    """A linear 1x1 convolution and the convolution after it, in one with the second's kernel size.

    h = x A + a at every pixel, y = sum_k h_k W_k + b over the pixels k of the kernel. So
    y = sum_k [x_k, 1] [A; a] W_k + b: a convolution of x with one more channel, which is 1
    in the image and 0 where the second one pads with zeros. In ACAI's encoder and critic it has
    C + 1 channels in, 2 or 4, instead of `depth`.
    """

    def step(x):
        x = ops.cast(x, second.compute_dtype)
        padded = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
        matrix = ops.concatenate([first.kernel[0, 0], first.bias[None]], axis=0)  # [C + 1, depth]
        return _convolution(second, padded, ops.matmul(matrix, second.kernel.value))

    return step


def upsampling_then_convolution(up: layers.UpSampling2D, conv: layers.Conv2D) -> Callable:
    """Nearest upsampling by 2 and a 3x3 convolution, in one transposed convolution of stride 2.

    Of the three neighbours that an output sums in a row of the upsampled image, two are copies of
    one pixel. With kernel (w0, w1, w2) of the convolution,
        y[2i]     = w0 x[i - 1] + (w1 + w2) x[i]
        y[2i + 1] = (w0 + w1) x[i] + w2 x[i + 1],
    so pixel x[j] adds (w2, w1 + w2, w0 + w1, w0) times itself to y[2j - 1 .. 2j + 2], and the same
    in columns: 4 multiplications an output instead of 9.
    """
    sums = [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]

    def step(x):
        kernel = ops.einsum("pk,ql,klio->pqoi", *2 * [ops.array(sums, "float32")], conv.kernel)
        return _convolution(conv, x, kernel, transposed=True)

    return step


def _convolution(conv: layers.Conv2D, x, kernel, transposed: bool = False):
    """What `conv` does, with another kernel."""
    x, kernel = (ops.cast(tensor, conv.compute_dtype) for tensor in (x, kernel))
    if transposed:
        y = ops.conv_transpose(x, kernel, strides=2, padding="same")
    else:
        y = ops.conv(x, kernel, padding="same")
    bias = ops.reshape(ops.cast(conv.bias.value, conv.compute_dtype), (1, 1, 1, -1))
    return conv.activation(ops.add(y, bias))


def _is_linear_then_convolution(first, second=None) -> bool:
    return (
        isinstance(first, layers.Conv2D)
        and isinstance(second, layers.Conv2D)
        and first.kernel_size == (1, 1)
        and first.activation is keras.activations.linear
        and first.kernel.shape[2] < first.filters
    )


def _is_upsampling_then_convolution(first, second=None) -> bool:
    return (
        isinstance(first, layers.UpSampling2D)
        and isinstance(second, layers.Conv2D)
        and second.kernel_size == (3, 3)
    )


_IDENTITIES = (
    (_is_linear_then_convolution, linear_then_convolution),
    (_is_upsampling_then_convolution, upsampling_then_convolution),
)
