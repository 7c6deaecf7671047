import keras
import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import build_networks, networks


def test_leaky_relu_slope_is_the_originals():
    conv = networks._convolution(2, 1, 1, "conv", size=1)
    conv.build((None, 1, 1, 1))
    conv.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    out = np.asarray(conv(np.array([-1.0, 1.0], np.float32).reshape(2, 1, 1, 1)))
    np.testing.assert_allclose(out.ravel(), [-0.2, 1.0], rtol=1e-6)


@pytest.mark.parametrize(("initializer", "gain"), [("published", 1), ("he", 2)])
def test_kernels_start_normal_with_the_originals_width(initializer, gain):
    """Or with twice its variance, in the critic that copies the encoder too."""
    keras.utils.set_random_seed(0)
    encoder, decoder = build_networks(Config(initializer=initializer), (32, 32, 3), 16)
    for layer in (*encoder.layers, *decoder.layers, *networks.like(encoder, "critic").layers):
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            fan_in = np.prod(kernel.shape[:3])
            assert not bias.any()
            if kernel.size > 10_000:
                assert kernel.std() == pytest.approx((1.04 * fan_in / gain) ** -0.5, rel=0.03)
                beyond_two_sigma = np.mean(np.abs(kernel) > 2 * kernel.std())
                assert beyond_two_sigma == pytest.approx(0.0455, rel=0.2)  # normal, not truncated


def test_other_networks_have_their_own_initializers():
    with pytest.raises(UsageError, match="residual do not read --initializer"):
        build_networks(Config(networks="residual", initializer="he"), (32, 32, 3), 4)


@pytest.mark.parametrize(("scales", "width"), [(2, 8), (3, 4), (4, 2)])
def test_shapes(scales, width):
    encoder = networks.encoder((32, 32, 3), scales, 4, 5, "encoder")
    decoder = networks.decoder((width, width, 5), scales, 4, 3, "decoder")
    assert encoder.output_shape == (None, width, width, 5)
    assert decoder.output_shape == (None, 32, 32, 3)
