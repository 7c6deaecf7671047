"""Two players on the two sides of one network, in one backward pass."""

import keras
from keras import ops

from acai_tf.errors import UsageError

SMALLEST = 1e-15  # of an upstream gradient, so that one can divide by it


def check_separate(network) -> None:
    """See that each output of a network depends on its own input alone.

    Layers and operations are looked at, nested ones too, but not into a layer's own `call`.

    Args:
        network: a Keras layer or model; anything else is accepted.

    Raises:
        UsageError: batch normalization, or an axis 0, along which a batch is laid out.
    """
    for part in _parts(network):
        axes = getattr(part, "axis", None)
        axes = axes if isinstance(axes, (list, tuple)) else [axes]
        if isinstance(part, keras.layers.BatchNormalization) or 0 in axes:
            raise UsageError(
                f"{part.name} of {network.name} mixes the images of a batch, so one backward pass"
                " cannot serve two players; use LayerNormalization, or shared_backward=False"
                " (--fused=false)"
            )


def _parts(network):
    """All layers and operations of a network."""
    for layer in getattr(network, "_flatten_layers", list)():
        yield layer
        yield from getattr(layer, "operations", ())


def judge(network, x):
    """What a network says of x, for its own player and for the player that made x.

    The network's player moves its weights by its loss L, the other moves what made x by its own
    loss M, and both read the same output y [B, ...] with one number an image. Backpropagation is
    linear in the gradient it starts from, and images do not meet in the network:
        dL/dx_i = (dL/dy_i) J_i,    dM/dx_i = (dM/dy_i) J_i,    J_i = dy_i/dx_i.
    So the second is the first times (dM/dy_i) / (dL/dy_i), and one pass backward, of L, serves
    both: weights get dL, x gets dM. It takes the two upstream gradients from where y is read to
    where x comes in, as the gradient of a tensor of zeros which passes by the network.

    Args:
        network: x [B, ...] -> [B] or [B, 1].
        x: what the other player made.

    Returns:
        (y for losses of the network's own player, y for losses of the other one). In the gradient
        of the sum of all losses, each reaches only its own player's variables.

    Raises:
        UsageError: the network mixes the images of a batch; see `check_separate`.
    """
    check_separate(network)
    x, ratio = _entrance(x)
    return _exit(network(x), ratio)


@ops.custom_gradient
def _entrance(x):
    """x, and zeros [B], whose gradient is by how much the gradient of x is to be multiplied."""

    def backward(*upstream):
        of_x, ratio = _two(upstream)
        ratio = ops.reshape(ratio, (-1,) + (1,) * (len(x.shape) - 1))
        return ops.cast(of_x * ops.cast(ratio, of_x.dtype), of_x.dtype)

    return (x, ops.zeros((ops.shape(x)[0],), "float32")), backward


@ops.custom_gradient
def _exit(y, ratio):
    """y twice: the gradient of the first is that of y, both together are that of `ratio`."""

    def backward(*upstream):
        own, others = _two(upstream)
        own = ops.where(ops.abs(own) < SMALLEST, ops.full_like(own, SMALLEST), own)
        return own, ops.reshape(others / own, ops.shape(ratio))

    return (y, y), backward


def _two(upstream):
    """Two gradients; JAX gives them as one pair."""
    return upstream[0] if len(upstream) == 1 else upstream
