"""The parts of ACAI's successors: MMD, a coefficient per coordinate, mixes with the prior."""

import keras
import numpy as np
import pytest
from keras import layers

import acai_tf
from acai_tf import backend
from acai_tf.backend import player_gradients
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import build_model
from acai_tf.models.noise import StepSeed, seed_weights
from acai_tf.models.regularizers import Forward
from tests.test_golden import assert_near

SHAPE = (8, 8, 1)
X = np.random.default_rng(0).uniform(-1, 1, (6, *SHAPE)).astype(np.float32)
CRITIC = 0.3  # what the constant critic answers


def networks(size=4):
    return (
        keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(size)]),
        keras.Sequential([keras.Input((size,)), layers.Dense(64), layers.Reshape(SHAPE)]),
    )


def constant(size=4):
    last = layers.Dense(
        size, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(CRITIC)
    )
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), last])


def with_part(part, size=4, **options):
    seed_weights(0)
    return acai_tf.Autoencoder(*networks(size), regularizers=[part], **options)


def forward(code, scale=1.0):
    code = code if keras.ops.is_tensor(code) else np.float32(code)
    return Forward(None, code, None, None, None, None, scale)


# MMD.


def test_mmd_is_its_estimate_times_weight_and_scale():
    part = acai_tf.MMD(weight=0.5, sigmas=(1,))
    with_part(part, size=1)
    # All codes are at 2, all samples at 0.
    terms = part.terms(
        forward(np.full((3, 1), 2), scale=3.0), {"prior": np.zeros((3, 1), np.float32)}
    )
    expected = 1 + 1 - 2 * np.exp(-2)
    assert float(terms.logs["loss_mmd"]) == pytest.approx(expected, rel=1e-5)
    assert float(terms.autoencoder) == pytest.approx(0.5 * 3 * expected, rel=1e-5)
    # Of the same samples the estimate is negative: no loss.
    terms = part.terms(forward([[0], [1]]), {"prior": np.float32([[0], [1]])})
    assert float(terms.autoencoder) == float(terms.logs["loss_mmd"]) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [({"weight": -1}, "weight"), ({"sigmas": ()}, "sigmas"), ({"sigmas": (2, 0)}, "sigmas")],
)
def test_bad_settings_of_mmd_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        acai_tf.MMD(**options)


def test_training_with_mmd_pulls_codes_to_the_prior():
    model = with_part(acai_tf.MMD(weight=10.0))
    model.encoder.layers[-1].bias.assign(np.full(4, 5.0))
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    images = np.repeat(X, 6, axis=0)
    history = model.fit(images, batch_size=16, epochs=3, verbose=0).history  # 16, 16 and 4
    assert history["loss_mmd"][2] < 0.8 * history["loss_mmd"][0]


# A coefficient per coordinate.


def test_losses_of_a_critic_per_coordinate_by_hand():
    part = acai_tf.InterpolationCritic(weight=2.0, network=constant(), per_coordinate=True)
    model = with_part(part)
    noise = model.noise(StepSeed(0, 0), len(X))
    uniform = np.asarray(noise["critic"]["uniform"])
    assert uniform.shape == (6, 4)
    losses, logs = model.objectives(X, None, noise)
    alpha = np.minimum(uniform, 1 - uniform)
    assert float(logs["loss_critic"]) == pytest.approx(np.mean((CRITIC - alpha) ** 2), rel=1e-5)
    assert float(logs["loss_critic_real"]) == pytest.approx(CRITIC**2, rel=1e-5)
    expected = float(logs["loss_ae"]) + 2 * CRITIC**2
    assert float(losses["autoencoder"]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(model.estimate(X), np.full(6, CRITIC), rtol=1e-6)


def test_of_a_code_of_one_number_both_critics_are_one():
    models = [
        with_part(acai_tf.InterpolationCritic(per_coordinate=each), size=1, shared_backward=False)
        for each in (False, True)
    ]
    noise = models[0].noise(StepSeed(0, 0), len(X))
    one, other = (player_gradients(model, X, None, noise) for model in models)
    assert {n: float(v) for n, v in one[1].items()} == {n: float(v) for n, v in other[1].items()}
    for player in one[2]:
        for left, right in zip(one[2][player], other[2][player], strict=True):
            assert_near(left, right, 1e-5, player)


def test_a_critic_per_coordinate_has_a_backward_pass_of_its_own():
    for each, passes in ((False, 1), (True, 2)):
        for kind in (acai_tf.InterpolationCritic, acai_tf.PriorMixes):
            assert len(with_part(kind(per_coordinate=each)).backward_passes()) == passes


def test_a_critic_whose_output_is_not_of_the_codes_shape_is_refused():
    with_part(acai_tf.InterpolationCritic(network=constant(3)))
    with pytest.raises(UsageError, match=r"output.*per_coordinate.*\(3,\).*\(4,\)"):
        with_part(acai_tf.InterpolationCritic(network=constant(3), per_coordinate=True))


# Mixes with the prior.


@pytest.mark.parametrize("each", [False, True])
def test_losses_of_mixes_with_the_prior_by_hand(each):
    part = acai_tf.PriorMixes(
        2.0, network=constant(), noise_weight=0.25, fake_weight=0.125, per_coordinate=each
    )
    model = with_part(part)
    noise = model.noise(StepSeed(0, 0), len(X))
    alpha = np.asarray(noise["critic"]["uniform_prior"])  # not folded
    assert alpha.shape == ((6, 4) if each else (6, 1))
    losses, logs = model.objectives(X, None, noise)
    mixed = np.mean((CRITIC - alpha) ** 2)
    assert float(logs["loss_critic_noise"]) == pytest.approx(mixed, rel=1e-5)
    assert float(logs["loss_critic_fake"]) == pytest.approx((CRITIC - 0.5) ** 2, rel=1e-5)
    expected = sum(float(v) for n, v in logs.items() if n.startswith("loss_critic"))
    assert float(losses["critic"]) == pytest.approx(expected, rel=1e-5)
    expected = float(logs["loss_ae"]) + (2 + 0.25 + 0.125) * CRITIC**2
    assert float(losses["autoencoder"]) == pytest.approx(expected, rel=1e-5)


def test_mixes_begin_at_the_prior_and_end_at_the_codes():
    part = acai_tf.PriorMixes()
    model = with_part(part)
    seen, predictions = [], part.predictions
    part.predictions = lambda images: seen.append(np.asarray(images)) or predictions(images)
    for share in (0.0, 1.0):
        noise = model.noise(StepSeed(0, 0), len(X))
        noise["critic"]["uniform_prior"] = np.full((6, 1), share, np.float32)
        model.objectives(X, None, noise)
        _, _, mixed, fake = seen
        seen.clear()
        expected = fake if share == 0 else model.reconstruct(X)
        np.testing.assert_allclose(mixed, expected, atol=1e-6)
        np.testing.assert_allclose(fake, model.decode(noise["critic"]["prior"]), atol=1e-6)


def test_mixes_with_the_prior_share_a_backward_pass():
    shared, separate = (
        with_part(acai_tf.PriorMixes(), shared_backward=value) for value in (True, False)
    )
    noise = shared.noise(StepSeed(0, 0), len(X))
    one, other = (player_gradients(model, X, None, noise)[2] for model in (shared, separate))
    for player in other:
        for left, right in zip(one[player], other[player], strict=True):
            assert_near(left, right, 1e-4, player)


def test_weights_of_the_prior_are_not_negative():
    for name in ("noise_weight", "fake_weight"):
        with pytest.raises(UsageError, match=name):
            acai_tf.PriorMixes(**{name: -1})


def test_midrae_has_one_sample_of_the_prior():
    noise = acai_tf.MIDRAE(*networks()).noise(StepSeed(0, 0), 6)
    assert noise["mmd"]["prior"] is noise["critic"]["prior"]


def test_settings_reach_their_parts():
    settings = {"wgt_mmd": 0.2, "advnoise": 0.3, "advfake": 0.4, "advweight": 0.6, "reg": 0.7}
    parts = "prior_mixes(per_coordinate=True), mmd"
    for made in ({"model": "midrae"}, {"model": "baseline", "regularizers": parts}):
        model = build_model(Config(depth=2, latent=2, **made, **settings), (16, 16, 1), 0)
        critic, mmd = model.regularizers
        assert (mmd.weight, critic.noise_weight, critic.fake_weight) == (0.2, 0.3, 0.4)
        assert (critic.weight, critic.gamma, critic.per_coordinate) == (0.6, 0.7, True)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_mmd_is_that_of_the_whole_batch_on_several_replicas():
    """Each replica's gradient is that of its rows; gradients of weights are summed."""
    import tensorflow as tf

    part, rng = acai_tf.MMD(), np.random.default_rng(0)
    with_part(part, size=3)
    z, h = (rng.normal(i, 1, (8, 3)).astype(np.float32) for i in range(2))

    def gradient(z, h):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = part.terms(forward(z), {"prior": h}).autoencoder
            share = loss / replicas  # as in a training step
        return loss, tape.gradient(share, z)

    loss, expected = gradient(tf.constant(z), tf.constant(h))
    assert float(loss) > 0.1
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    rows = [backend.rows(8, 2, replica) for replica in range(2)]
    of_z, of_h = (
        strategy.experimental_distribute_values_from_function(
            lambda context, values=values: tf.constant(
                values[rows[context.replica_id_in_sync_group]]
            )
        )
        for values in (z, h)
    )
    found = strategy.run(tf.function(gradient), args=(of_z, of_h))
    losses, gradients = (strategy.experimental_local_results(each) for each in found)
    for each, got, mine in zip(losses, gradients, rows, strict=True):
        assert float(each) == pytest.approx(float(loss), rel=1e-5)
        assert_near(got, np.asarray(expected)[mine], 1e-5, "gradient")
