"""Fused layers compute what the layers compute, and the same gradients."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from acai_tf.models import fused, networks
from tests.test_golden import assert_near

RNG = np.random.default_rng(0)


def gradients(function, variables, x):
    """Of a sum of random shares of the output, by x and by the variables."""
    if keras.backend.backend() == "jax":
        import jax

        def total(values, x):
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                y = function(x)
            return ops.sum(y * share(y.shape))

        found = jax.grad(total, argnums=(0, 1))([v.value for v in variables], x)
        return [*found[0], found[1]]
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = ops.sum(y * share(y.shape))
    return tape.gradient(total, [*(v.value for v in variables), x])


def share(shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def assert_same(stack, shape):
    """Of some layers in order and of `fused.steps` of them."""
    network = keras.Sequential([keras.Input(shape[1:]), *stack])
    for variable in network.weights:  # biases too
        variable.assign(RNG.normal(size=variable.shape))
    x = RNG.normal(size=shape).astype(np.float32)
    taken = fused.steps(network.layers)

    def folded(x):
        for step in taken:
            x = step(x)
        return x

    assert_near(folded(x), network(x), 1e-6, "output")
    variables = network.trainable_variables
    both = (gradients(function, variables, x) for function in (folded, network))
    for name, got, expected in zip([*(v.path for v in variables), "x"], *both, strict=True):
        assert_near(got, expected, 1e-5, f"gradient of {name}")
    return len(taken)


def relu():
    return layers.LeakyReLU(negative_slope=0.2)


@pytest.mark.parametrize("colors", [1, 3])
def test_a_linear_convolution_and_the_one_after_it(colors):
    first = layers.Conv2D(7, 1)
    second = layers.Conv2D(5, 3, padding="same", activation=relu())
    assert assert_same([first, second], (2, 6, 8, colors)) == 1


@pytest.mark.parametrize("width", [1, 2, 5])
def test_upsampling_and_the_convolution_after_it(width):
    """Also at a width at which every pixel is at an edge."""
    convolution = layers.Conv2D(4, 3, padding="same", activation=relu())
    taken = assert_same([layers.UpSampling2D(2), convolution], (2, width, 3, 6))
    assert taken == (1 if fused.backend.fuse_upsampling() else 2)


@pytest.mark.parametrize("activation", [None, relu(), "relu"])
def test_a_convolution_alone(activation):
    assert_same([layers.Conv2D(4, 3, padding="same", activation=activation)], (2, 5, 6, 3))


def test_other_layers_are_not_fused():
    bends = layers.Conv2D(7, 1, activation=relu())  # not linear
    narrows = layers.Conv2D(2, 1)  # is less work before than after
    last = layers.Conv2D(3, 3, padding="same")
    assert assert_same([bends, narrows, last], (2, 4, 4, 3)) == 3
    five = layers.Conv2D(4, 5, padding="same")
    assert assert_same([layers.UpSampling2D(2), five], (2, 4, 4, 3)) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"padding": "valid"},
        {"dilation_rate": 2},
        {"use_bias": False},
        {"groups": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_convolutions_are_not_fused(options):
    convolution = layers.Conv2D(4, 3, **{"padding": "same", **options})
    assert_same([layers.Conv2D(6, 1), convolution], (2, 8, 8, 2))
    convolution = layers.Conv2D(4, 3, **{"padding": "same", **options})
    assert_same([layers.UpSampling2D(2), convolution], (2, 8, 8, 2))


@pytest.mark.parametrize("up", [{"size": 4}, {"interpolation": "bilinear"}], ids=str)
def test_other_upsamplings_are_not_fused(up):
    convolution = layers.Conv2D(4, 3, padding="same")
    assert_same([layers.UpSampling2D(**up), convolution], (2, 4, 4, 3))


def test_the_papers_networks_are_fused():
    encoder = networks.encoder((32, 32, 3), 3, 8, 2, "encoder")
    decoder = networks.decoder((4, 4, 2), 3, 8, 3, "decoder")
    assert len(fused.steps(encoder.layers)) == len(encoder.layers) - 1
    fewer = 3 if fused.backend.fuse_upsampling() else 0
    assert len(fused.steps(decoder.layers)) == len(decoder.layers) - fewer


def test_unfused_is_a_context():
    model = keras.Sequential([networks.encoder((16, 16, 1), 2, 4, 2, "encoder")])
    (network,) = model.layers
    taken = []
    network.layers[1].call = lambda x, own=network.layers[1].call: taken.append(1) or own(x)
    x = RNG.normal(size=(2, 16, 16, 1)).astype(np.float32)
    network(x)
    assert taken == []  # the first two at once, by neither's call
    with fused.unfused(model):
        network(x)
        assert taken == [1]
        with fused.unfused(model):
            pass
        assert not network.fused
    assert network.fused


@pytest.mark.parametrize("fused", [True, False])
def test_last_layers_are_not_rounded(fused):
    """Under bfloat16 everything else is, but for the sums of kernels."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    encoder = networks.encoder((16, 16, 1), 2, 4, 2, "encoder", fused=fused)
    keras.config.set_dtype_policy("float32")
    x = RNG.normal(size=(4, 16, 16, 1)).astype(np.float32)
    *_, of_kernel, of_bias, _ = gradients(encoder, encoder.trainable_variables, x)
    for gradient in (of_kernel, of_bias):
        rounded = ops.cast(ops.cast(gradient, "bfloat16"), "float32")
        assert np.abs(np.asarray(rounded) - np.asarray(gradient)).max() > 0


@pytest.mark.parametrize("fused", [True, False])
def test_a_network_saves_and_loads_by_itself(fused, tmp_path):
    network = networks.encoder((16, 16, 1), 2, 4, 2, "encoder", fused=fused)
    network.save(tmp_path / "encoder.keras")
    loaded = keras.models.load_model(tmp_path / "encoder.keras")
    assert loaded.fused is fused
    x = RNG.normal(size=(2, 16, 16, 1)).astype(np.float32)
    assert_near(loaded(x), network(x), 1e-6, "output")
