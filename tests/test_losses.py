"""Losses by hand-computed values and by invariances."""

import math

import numpy as np
import pytest

from acai_tf.models import losses


def test_reconstruction_is_the_mean_over_every_value():
    x = np.zeros((2, 1, 2, 1), np.float32)
    x_hat = np.array([1.0, 2.0, 0.0, 3.0], np.float32).reshape(x.shape)
    assert float(losses.reconstruction(x=x, x_hat=x_hat)) == pytest.approx((1 + 4 + 0 + 9) / 4)


def test_rmse_is_on_the_scale_of_pixels():
    assert float(losses.rmse_255(np.float32(4.0))) == pytest.approx(255.0)  # black for white


def test_alpha_is_folded_about_one_half():
    uniform = np.array([0.0, 0.2, 0.5, 0.8, 1.0], np.float32)
    np.testing.assert_allclose(losses.fold_alpha(uniform), [0, 0.2, 0.5, 0.2, 0], atol=1e-7)


def test_critic_and_adversarial_terms():
    estimate = np.array([0.1, 0.4], np.float32)
    alpha = np.array([0.3, 0.4], np.float32)
    assert float(losses.critic_mixed(estimate=estimate, alpha=alpha)) == pytest.approx(0.02)
    assert float(losses.critic_real(estimate=estimate)) == pytest.approx(0.085)
    assert float(losses.adversarial(estimate=estimate)) == pytest.approx(0.085)


def test_a_critic_that_is_right_has_no_loss():
    alpha = np.linspace(0, 0.5, 5, dtype=np.float32)
    assert float(losses.critic_mixed(estimate=alpha, alpha=alpha)) == 0


def test_squared_mmd_by_hand():
    z, h = np.array([[0.0], [1.0]], np.float32), np.array([[0.0], [2.0]], np.float32)
    near, far = math.exp(-1 / 2), math.exp(-4 / 2)  # of distances 1 and 2
    expected = near + far - 2 * (1 + near + near + far) / 4
    assert float(losses.squared_mmd(z=z, h=h, sigmas=(1,))) == pytest.approx(expected, rel=1e-5)
    twice = losses.squared_mmd(z=2 * z, h=2 * h, sigmas=(2,))  # in other units
    assert float(twice) == pytest.approx(expected, rel=1e-5)
    both = losses.squared_mmd(z=z, h=h, sigmas=(1, 1))
    assert float(both) == pytest.approx(2 * expected, rel=1e-5)
    one = losses.squared_mmd(z=z[1:], h=h[1:], sigmas=(1,))  # no pairs but z, h
    assert float(one) == pytest.approx(-2 * near, rel=1e-5)


def test_squared_mmd_does_not_see_order_or_a_common_shift():
    rng = np.random.default_rng(0)
    z, h = (rng.normal(size=(6, 3)).astype(np.float32) for _ in range(2))
    value = float(losses.squared_mmd(z=z, h=h, sigmas=(2, 5)))
    for a, b in ((z[::-1], h), (h, z), (z + 1, h + 1)):
        assert float(losses.squared_mmd(z=a, h=b, sigmas=(2, 5))) == pytest.approx(value, rel=1e-3)


def test_squared_mmd_is_unbiased():
    """0 on average between samples of one distribution, so below 0 about as often as above."""
    rng = np.random.default_rng(0)
    values = [
        float(losses.squared_mmd(z=pair[0], h=pair[1], sigmas=(2,)))
        for pair in rng.normal(size=(200, 2, 8, 2)).astype(np.float32)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / 200**0.5
    assert min(values) < 0 < max(values)


def test_cross_entropy_by_hand():
    logits = np.log(np.array([[1, 1, 2], [3, 1, 0.5]], np.float32))
    expected = -(math.log(2 / 4) + math.log(3 / 4.5)) / 2
    assert float(losses.cross_entropy(logits=logits, label=np.array([2, 0]))) == pytest.approx(
        expected
    )


def test_cross_entropy_does_not_see_a_constant_added_to_the_logits():
    logits = np.random.default_rng(0).normal(size=(4, 10)).astype(np.float32)
    label = np.array([0, 3, 9, 1])
    plain = float(losses.cross_entropy(logits=logits, label=label))
    assert float(losses.cross_entropy(logits=logits + 50, label=label)) == pytest.approx(
        plain, rel=1e-4
    )
    assert float(losses.cross_entropy(logits=np.zeros_like(logits), label=label)) == pytest.approx(
        math.log(10)
    )


def test_kl_is_zero_for_the_prior_and_by_hand():
    zero = np.zeros((3, 5), np.float32)
    assert float(losses.kl_to_unit_normal(mu=zero, log_variance=zero)) == 0
    mu = np.array([[1.0, 0.0]], np.float32)
    log_variance = np.log(np.array([[1.0, 4.0]], np.float32))
    expected = 0.5 * 1 + 0.5 * (4 - 1 - math.log(4))
    got = losses.kl_to_unit_normal(mu=mu, log_variance=log_variance)
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_bernoulli_log_likelihood_sums_over_pixels_and_means_over_the_batch():
    p = np.array([[0.5, 0.9], [0.2, 0.5]])
    target = np.array([[1.0, 1.0], [0.0, 0.5]], np.float32)
    expected = (math.log(0.5) + math.log(0.9) + math.log(0.8) + math.log(0.5)) / 2
    logits = np.log(p / (1 - p)).astype(np.float32)
    got = losses.bernoulli_log_likelihood(logits=logits, target=target)
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_binary_cross_entropy_by_hand_and_without_overflow():
    zero = np.zeros(4, np.float32)
    assert float(losses.binary_cross_entropy(logits=zero, target=1.0)) == pytest.approx(math.log(2))
    large = np.array([1000.0], np.float32)
    assert float(losses.binary_cross_entropy(logits=large, target=1.0)) == 0
    assert float(losses.binary_cross_entropy(logits=large, target=0.0)) == pytest.approx(1000)
    assert float(losses.binary_cross_entropy(logits=-large, target=1.0)) == pytest.approx(1000)


def test_discriminator_accuracy():
    of_prior, of_code = np.array([1.0, 2.0, -1.0, 3.0]), np.array([-1.0, 1.0])
    accuracy = losses.discriminator_accuracy(of_prior=of_prior, of_code=of_code)
    assert float(accuracy) == pytest.approx((3 / 4 + 1 / 2) / 2)
