import numpy as np
import pytest

from acai_tf.models import interpolation
from tests.reference import FOLDER

REFERENCE = np.load(FOLDER / "evaluation.npz")
T = np.linspace(0, 1, 5)


@pytest.mark.parametrize("method", interpolation.PATHS)
def test_equals_the_original(method):
    path = interpolation.PATHS[method](REFERENCE["z0"], REFERENCE["z1"], np.linspace(0, 1, 7))
    np.testing.assert_allclose(np.asarray(path), REFERENCE[method], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", interpolation.PATHS)
def test_both_ends_are_the_codes(method):
    path = np.asarray(interpolation.PATHS[method](REFERENCE["z0"], REFERENCE["z1"], T))
    np.testing.assert_allclose(path[0], REFERENCE["z0"], atol=1e-6)
    np.testing.assert_allclose(path[-1], REFERENCE["z1"], atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.0])
def test_slerp_between_parallel_codes_is_the_straight_line(factor):
    z = np.random.default_rng(0).normal(size=(3, 2, 2, 4)).astype(np.float32)
    path = np.asarray(interpolation.slerp(z, factor * z, T))
    np.testing.assert_allclose(path, interpolation.lerp(z, factor * z, T), rtol=2e-3, atol=2e-3)
    assert np.isfinite(path).all()


def test_slerp_keeps_the_norm_of_codes_of_equal_norm():
    z = np.random.default_rng(1).normal(size=(2, 4, 8)).astype(np.float32)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    path = np.asarray(interpolation.slerp(z[0], z[1], T))
    np.testing.assert_allclose(np.linalg.norm(path, axis=-1), 1, rtol=1e-5)


def test_mix_at_its_ends_and_in_the_middle():
    a, b = np.full((2, 1, 1, 1), 4.0), np.full((2, 1, 1, 1), 8.0)
    alpha = np.array([1.0, 0.5]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(interpolation.mix(a, b, alpha).ravel(), [4, 6])
