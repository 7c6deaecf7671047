"""One backward pass gives both players what two would."""

import keras
import numpy as np
import pytest
from keras import ops

from acai_tf.errors import UsageError
from acai_tf.models import networks, shared_pass
from tests.test_fused import gradients

WEIGHT = np.float32([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])


def nested(layer, **options):
    inputs = keras.Input((4, 3))
    inner = keras.Sequential([keras.Input((4, 3)), layer], name="inner")
    return keras.Model(inputs, keras.layers.Flatten()(inner(inputs)), **options)


class Custom(keras.layers.Layer):
    """A custom layer with a layer inside."""

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.BatchNormalization()

    def call(self, x):
        return self.inner(x)


def mean_of_the_batch():
    inputs = keras.Input((3,))
    return keras.Model(inputs, inputs - ops.mean(inputs, axis=0, keepdims=True))


@pytest.mark.parametrize(
    "mixing",
    [
        lambda: keras.layers.BatchNormalization(),
        lambda: nested(keras.layers.BatchNormalization()),
        lambda: nested(keras.layers.TimeDistributed(keras.layers.BatchNormalization())),
        lambda: nested(Custom()),
        lambda: nested(keras.layers.UnitNormalization(axis=(0, 1))),
        mean_of_the_batch,
    ],
)
def test_a_network_that_mixes_images_is_refused(mixing):
    with pytest.raises(UsageError, match="mixes"):
        shared_pass.discriminate(mixing(), np.zeros((2, 3), np.float32))


def test_other_normalizations_pass():
    for layer in (keras.layers.LayerNormalization(), keras.layers.GroupNormalization(3)):
        shared_pass.check_unmixed(nested(layer))
    shared_pass.check_unmixed(networks.encoder((16, 16, 1), 1, 2, 2, "critic"))
    shared_pass.check_unmixed(networks.discriminator((4, 4, 2), [8]))


class Weight:
    """A network with one matrix: y = mean over outputs of tanh(x W)."""

    def __init__(self):
        self.matrix = keras.Variable(WEIGHT)

    def __call__(self, x):
        return ops.mean(ops.tanh(ops.matmul(x, self.matrix.value)), axis=-1)


def by_two_passes(x, own, others):
    """The gradient of `own` by the weight and of `others` by x."""
    network = Weight()
    return (
        gradients(lambda x: own(network(x)), [network.matrix], x)[0],
        gradients(lambda x: others(network(x)), [network.matrix], x)[1],
    )


def by_one(x, own, others):
    network = Weight()

    def total(x):
        for_own, for_others = shared_pass.discriminate(network, x)
        return own(for_own) + others(for_others)

    return gradients(total, [network.matrix], x)


def losses(alpha):
    return (
        lambda y: ops.mean(ops.square(y - alpha)),
        lambda y: 0.5 * ops.mean(ops.square(y)),
    )


def test_both_gradients_at_once():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 3)).astype(np.float32)
    alpha = rng.uniform(0, 0.5, 6).astype(np.float32)
    for got, expected in zip(
        by_one(x, *losses(alpha)), by_two_passes(x, *losses(alpha)), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("wrong", [0.0, 1e-30, 1e-12])
def test_a_network_with_no_loss_still_passes_the_other_gradient(wrong):
    """The ratio of the two gradients is then infinite, or nearly so."""
    x = np.float32([[0.3, -0.2, 0.9], [1.0, 0.1, -0.4]])
    y = np.asarray(Weight()(x))
    # A loss whose gradient by y is exactly `wrong`; rounding of y - alpha would not let it be.
    own, others = lambda y: wrong * ops.sum(y), losses(y)[1]
    of_weight, of_x = by_one(x, own, others)
    expected_weight, expected_x = by_two_passes(x, own, others)
    np.testing.assert_allclose(of_x, expected_x, rtol=1e-5)
    np.testing.assert_allclose(of_weight, expected_weight, rtol=2e-3, atol=1e-14)
    assert np.abs(expected_x).min() > 1e-4


def test_a_zero_gradient_stays_zero():
    x = np.float32([[0.3, -0.2, 0.9]])
    of_weight, of_x = by_one(x, losses(np.float32([0.1]))[0], lambda y: 0 * ops.sum(y))
    assert not np.asarray(of_x).any()
    assert np.asarray(of_weight).any()
