"""One backward pass for a regularizer's network and for the autoencoder that it discriminates.

The network's player minimizes L over the network's weights; the autoencoder minimizes M over
what makes x. Both losses read the same output y = network(x), [B] or [B, 1]. Backpropagation is
linear in the gradient it starts from, and if images do not mix in the network,

    dL/dx_i = (dL/dy_i) J_i,    dM/dx_i = (dM/dy_i) J_i,    J_i = dy_i/dx_i.

So dM/dx_i is dL/dx_i times (dM/dy_i) / (dL/dy_i), and one backward pass of L + M serves both:
the weights get dL, and x gets dM. `discriminate` puts an operation before and one after the
network. The one after it lets only dL/dy into the network, and passes the ratio on as the
gradient of a tensor of zeros, which bypasses the network; the one before it multiplies by it.
"""

import keras
from keras import ops

from acai_tf.errors import UsageError

SMALLEST = 1e-15  # |dL/dy| is at least this, so that it can divide


def discriminate(network, x) -> tuple:
    """The output of a regularizer's network, for its own loss and for the autoencoder's.

    Args:
        network: x [B, ...] -> [B] or [B, 1].
        x: what the autoencoder made.

    Returns:
        (y for the network's own loss, y for the autoencoder's loss). In the gradient of the sum of
        all losses, each loss reaches only the variables of its own player.

    Raises:
        UsageError: the network mixes the images of a batch.
    """
    check_unmixed(network)
    x, ratio = _scale_gradient(x)
    return _split(network(x), ratio)


@ops.custom_gradient
def _scale_gradient(x):
    """x, and zeros [B] whose gradient multiplies the gradient of x."""

    def backward(*upstream):
        gradient, ratio = _pair(upstream)
        ratio = ops.reshape(ratio, (-1,) + (1,) * (len(x.shape) - 1))
        return ops.cast(gradient * ops.cast(ratio, gradient.dtype), gradient.dtype)

    return (x, ops.zeros((ops.shape(x)[0],), "float32")), backward


@ops.custom_gradient
def _split(y, ratio):
    """y twice: y gets the gradient of the first, `ratio` the ratio of the second to the first."""

    def backward(*upstream):
        own, other = _pair(upstream)
        own = ops.where(ops.abs(own) < SMALLEST, ops.full_like(own, SMALLEST), own)
        return own, ops.reshape(other / own, ops.shape(ratio))

    return (y, y), backward


def _pair(upstream):
    """Two gradients; JAX passes them as one tuple."""
    return upstream[0] if len(upstream) == 1 else upstream


def check_unmixed(network) -> None:
    """Check that each output of a network depends on its own input only, not on the batch.

    Looks at layers and operations, nested ones too, but not into a layer's own `call`.

    Args:
        network: a Keras layer or model; other functions pass.

    Raises:
        UsageError: there is a batch normalization, or an operation along axis 0.
    """
    layers = list(getattr(network, "_flatten_layers", list)())
    for part in [*layers, *(one for layer in layers for one in getattr(layer, "operations", ()))]:
        axes = getattr(part, "axis", None)
        axes = axes if isinstance(axes, (list, tuple)) else [axes]
        if isinstance(part, keras.layers.BatchNormalization) or 0 in axes:
            raise UsageError(
                f"{part.name} of {network.name} mixes the images of a batch, so two players cannot"
                " share a backward pass; use LayerNormalization, or shared_backward=False"
                " (--fused=false)"
            )
