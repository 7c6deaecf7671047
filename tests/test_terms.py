"""Regularizers beyond the paper's: values worked out by hand, and invariances."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import acai_tf
from acai_tf import backend
from acai_tf.backend import player_gradients
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import REGULARIZERS, build_model
from acai_tf.models.mixing import MIXINGS
from acai_tf.models.noise import StepSeed, seed_weights
from acai_tf.models.reconstruction import to_unit
from acai_tf.models.regularizers import information, two_views

TENSORFLOW = keras.backend.backend() == "tensorflow"
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (8, 16, 16, 1), np.uint8)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model_with(regularizers: str, model="baseline", channels=1, **settings):
    seed_weights(0)
    config = Config(model=model, regularizers=regularizers, depth=2, latent=2, **settings)
    return build_model(config, (16, 16, channels), 0)


def objectives(model, images=IMAGES, step=0):
    x = to_unit(images)
    return model.objectives(x, None, model.noise(StepSeed(0, step), len(images)))


# Every one of them.


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_bad_weights_are_refused(name, weight):
    cls = REGULARIZERS[name].partition(":")[2]
    with pytest.raises(UsageError, match="weight"):
        getattr(acai_tf, cls)(weight=weight)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_term_without_weight_changes_no_gradient(name):
    gradients = []
    for text in (f"{name}(weight=0)", ""):
        model = model_with(text)
        noise = model.noise(StepSeed(0, 0), len(IMAGES))
        _, logs, found = player_gradients(model, to_unit(IMAGES), None, noise)
        assert set(logs) == set(model.trackers)
        gradients.append(
            dict(
                zip(
                    [v.path for v in model.players()["autoencoder"]],
                    found["autoencoder"],
                    strict=True,
                )
            )
        )
    for path, gradient in gradients[1].items():
        np.testing.assert_allclose(gradients[0][path], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_settings_are_saved(name):
    model = model_with(f"{name}(weight=0.3)")
    (saved,) = model.get_config()["regularizers"]
    (again,) = type(model).from_config(model.get_config()).regularizers
    assert keras.saving.serialize_keras_object(again) == saved
    assert again.weight == saved["config"]["weight"] == 0.3


# Information.


@pytest.mark.parametrize("size", [32, 256])
@pytest.mark.parametrize(
    ("spread", "low", "high"), [(1, 2.8, 3.2), (0.3, 0.3, 0.45), (0.02, -0.01, 0.01)]
)
def test_information_of_normal_codes(size, spread, low, high):
    values = [
        information.mutual_information(spread * normal(64, size), normal(64, size))
        for _ in range(20)
    ]
    assert low < np.mean(values) < high


def test_information_by_hand():
    """Two codes at -a and a, of one value: sigma^2 = 1 / (2 ln 2)."""
    a, epsilon = 0.7, np.float32([[0.5], [-1.0]])
    sigma = math.sqrt(1 / (2 * math.log(2)))
    total = 0
    for z, other, e in ((-a, a, 0.5), (a, -a, -1.0)):
        noisy = z + sigma * e
        own, off = (math.exp(-((noisy - c) ** 2) / (2 * sigma**2)) for c in (z, other))
        total += math.log(own / ((own + off) / 2)) / 2
    value = information.mutual_information(np.float32([[-a], [a]]), epsilon)
    assert float(value) == pytest.approx(total, rel=1e-5)


def test_information_is_bounded_and_finite():
    codes, epsilon = normal(16, 4, 4, 2), normal(16, 32)
    for spread in (10, 1e3, 1e6):
        far = float(information.mutual_information(spread * codes, epsilon))
        assert far == pytest.approx(math.log(16), abs=1e-5)
    assert float(information.mutual_information(codes * 0, epsilon)) == pytest.approx(0, abs=1e-5)
    assert float(information.mutual_information(codes[:1], epsilon[:1])) == 0  # ln 1


def test_information_of_codes_far_apart_pulls_nothing():
    """Where each code can be told from all others, rounding must not make a gradient."""
    codes, epsilon = keras.ops.convert_to_tensor(1e5 * normal(64, 32)), normal(64, 32)
    pull = backend.gradient(lambda z: information.mutual_information(z, epsilon), codes)
    np.testing.assert_array_equal(pull, np.zeros((64, 32)))


def test_information_has_no_order_and_no_axes():
    codes, epsilon = normal(16, 8), normal(16, 8)
    value = float(information.mutual_information(codes, epsilon))
    order = RNG.permutation(16)
    turn = np.linalg.qr(normal(8, 8))[0]
    for z, e in ((codes[order], epsilon[order]), (codes @ turn, epsilon @ turn)):
        assert float(information.mutual_information(z, e)) == pytest.approx(value, rel=1e-5)


@pytest.mark.skipif(not TENSORFLOW, reason="tf.distribute")
def test_terms_over_the_whole_batch_on_two_replicas():
    import tensorflow as tf

    after = {}
    for replicas in (1, 2):
        strategy = tf.distribute.MirroredStrategy(
            [f"CPU:{n}" for n in range(replicas)], tf.distribute.ReductionToOneDevice()
        )
        with strategy.scope():
            seed_weights(0)
            stack = [keras.Input((4,)), layers.Dense(256), layers.Reshape((16, 16, 1))]
            model = acai_tf.Autoencoder(
                keras.Sequential([keras.Input((16, 16, 1)), layers.Flatten(), layers.Dense(4)]),
                keras.Sequential(stack),
                regularizers=[acai_tf.Information(weight=3), acai_tf.TwoViews()],
            )
            model.compile(optimizer=keras.optimizers.SGD(0.1))
            data = tf.data.Dataset.from_tensors(IMAGES).unbatch().batch(8)
            history = model.fit(data, verbose=0).history
        logs = [history[name][0] for name in ("information", "loss_views", "loss_views_ae")]
        after[replicas] = logs, [np.asarray(v) for v in model.trainable_variables]
    assert after[1][0] == pytest.approx(after[2][0], rel=1e-4)
    assert after[1][0][0] > 0.1
    for one, other in zip(after[1][1], after[2][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_information_is_maximized_in_units_of_the_reconstruction_loss():
    for host, scale in (("aae", 1), ("vae", 256)):
        model, plain = (model_with(text, host) for text in ("information(weight=0.5)", ""))
        losses, logs = objectives(model)
        expected = float(objectives(plain)[0]["autoencoder"])
        expected -= 0.5 * scale * float(logs["information"])
        assert float(losses["autoencoder"]) == pytest.approx(expected, rel=1e-5)


# Mixed codes.


def forward(code, **functions):
    """A pass whose codes are given, for terms by hand."""
    rest = dict.fromkeys(acai_tf.Forward._fields)
    return acai_tf.Forward(**{**rest, "code": code, "scale": 1.0, **functions})


CODES = np.float32([[0, 4], [2, 0]])  # mixed with alpha = 1/4 and 1/2: (1.5, 1) and (1, 2)
ALPHA = np.float32([[0.25], [0.5]])


def test_cycle_by_hand():
    """The decoder doubles a code, the encoder adds 1."""
    terms = acai_tf.Cycle(weight=3).terms(
        forward(CODES, decode=lambda z: 2 * z, encode=lambda x: x + 1), {"alpha": ALPHA}
    )
    expected = (2.5**2 + 2**2 + 2**2 + 3**2) / 4
    assert float(terms.logs["loss_cycle"]) == pytest.approx(expected)
    assert float(terms.autoencoder) == pytest.approx(3 * expected)
    inverse = forward(CODES, decode=lambda z: 2 * z, encode=lambda x: x / 2)
    assert float(acai_tf.Cycle().terms(inverse, {"alpha": ALPHA}).autoencoder) == 0


def test_path_smoothness_by_hand():
    """Where the decoder is linear, x changes evenly by D(z_1 - z_2), wherever alpha is."""
    linear = forward(CODES, decode=lambda z: 3 * z - 1)
    expected = 9 * (2**2 + 4**2) / 2
    for uniform in (ALPHA, 0 * ALPHA, 1 + 0 * ALPHA):
        terms = acai_tf.PathSmoothness(weight=2).terms(linear, {"uniform": uniform})
        assert float(terms.autoencoder) == pytest.approx(2 * expected, rel=1e-4)
    constant = forward(CODES, decode=lambda z: 0 * z)
    assert float(acai_tf.PathSmoothness().terms(constant, {"uniform": ALPHA}).autoencoder) == 0


@pytest.mark.parametrize("term", [acai_tf.Cycle(), acai_tf.PathSmoothness()])
def test_the_order_of_the_pairs_does_not_matter(term):
    noise = dict.fromkeys(("alpha", "uniform"), np.full((6, 1), 0.3, np.float32))
    functions = {"decode": lambda z: z**2, "encode": lambda x: x - x**3}
    codes = normal(6, 3)
    values = [
        float(term.terms(forward(z, **functions), noise).autoencoder)
        for z in (codes, codes[[1, 0, 2, 3, 5, 4]])
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_mixes_by_hand():
    z = np.float32([[1, 2, 3, 4], [10, 20, 30, 40]])
    noise = {"uniform": np.float32([[0.8], [0.5]])}
    noise["channels"] = np.float32([[0.1, 0.7, 0.9, 0.3], [0.9, 0.9, 0.9, 0.9]])
    mixed, alpha = MIXINGS["mask"].mix(z, noise)
    np.testing.assert_array_equal(mixed, [[1, 2, 30, 4], [1, 2, 3, 4]])
    np.testing.assert_allclose(alpha, [0.25, 0])  # the second is the first code alone
    # Weights 1/2, 1/3 and 1/6 of the code, the partner, and the code before it.
    z = np.float32([[0], [6], [12], [18]])
    uniforms = 1 - np.exp(-np.float32([[3, 2, 1]] * 4))
    mixed, alpha = MIXINGS["dirichlet"].mix(z, {"uniforms": uniforms})
    np.testing.assert_allclose(mixed[:, 0], [6 + 3, 3 + 4 + 0, 6 + 2 + 1, 9 + 0 + 2], rtol=1e-5)
    np.testing.assert_allclose(alpha, [0.5] * 4, rtol=1e-5)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_mixes_of_equal_codes_are_these_codes(mixing):
    z = np.full((64, 2, 2, 3), 0.7, np.float32)
    mixed, alpha = MIXINGS[mixing].mix(z, MIXINGS[mixing].noise(StepSeed(0, 0), 64, z.shape[1:]))
    np.testing.assert_allclose(mixed, z, rtol=1e-6)
    assert alpha.shape == (64,)
    assert 0 <= np.min(alpha) < 0.1
    assert np.max(alpha) <= (2 / 3 if mixing == "dirichlet" else 0.5)


@pytest.mark.parametrize("mixing", ["mask", "dirichlet"])
def test_a_critic_of_other_mixes(mixing):
    model = model_with(f"interpolation_critic(mixing='{mixing}')")
    assert model.get_config()["regularizers"][0]["config"]["mixing"] == mixing
    losses, _ = objectives(model)
    assert all(np.isfinite(float(loss)) for loss in losses.values())
    with pytest.raises(UsageError, match="dirichlet"):
        acai_tf.InterpolationCritic(mixing="blend")


def test_terms_that_a_model_cannot_serve_are_refused():
    with pytest.raises(UsageError, match="VectorQuantized"):
        model_with("path_smoothness", "vqvae", z_log_size=4, num_latents=2)
    model_with("cycle", "vqvae", z_log_size=4, num_latents=2)

    class Halves(acai_tf.SquaredError):
        def output_shape(self, shape):
            return (*shape[:-1], 2)

    encoder = keras.Sequential([keras.Input((16, 16, 4)), layers.Flatten()])
    decoder = keras.Sequential([keras.Input((1024,)), layers.Reshape((16, 16, 4)), layers.Dense(2)])
    with pytest.raises(UsageError, match="decoded image"):
        acai_tf.Autoencoder(
            encoder, decoder, reconstruction=Halves(), regularizers=[acai_tf.Cycle()]
        )


# Two views.


def test_nt_xent_by_hand():
    """Two images, whose views' projections are (1, 0), (1, 0) and (0, 2), (0, -1)."""
    p_1, p_2 = np.float32([[1, 0], [0, 2]]), np.float32([[1, 0], [0, -1]])
    # Over T: the first image's views see 1 / T, 0, 0; the second's -1 / T, 0, 0.
    first, second = (-a + math.log(math.exp(a) + 2) for a in (1 / 0.5, -1 / 0.5))
    value = float(two_views.nt_xent(p_1, p_2, 0.5))
    assert value == pytest.approx((first + second) / 2, rel=1e-5)


def test_nt_xent_is_blind_to_order_length_and_turns():
    p_1, p_2 = normal(6, 4), normal(6, 4)
    value = float(two_views.nt_xent(p_1, p_2, 0.3))
    order, turn = RNG.permutation(6), np.linalg.qr(normal(4, 4))[0]
    length = np.exp(normal(6, 1))
    for one, other in (
        (p_2, p_1),
        (p_1[order], p_2[order]),
        (p_1 @ turn, p_2 @ turn),
        (length * p_1, p_2),
    ):
        assert float(two_views.nt_xent(one, other, 0.3)) == pytest.approx(value, rel=1e-5)


def test_views_are_shifted_and_flipped_only_if_asked():
    x = np.asarray(to_unit(IMAGES[:2]))
    uniform = np.zeros((2, 6), np.float32)
    uniform[:, :2] = [[0.5, 0.5], [0, 0.999]]  # in place; 4 down, 4 to the left
    expected = x.copy()
    expected[1] = -1
    expected[1, 4:, :12] = x[1, :12, 4:]
    np.testing.assert_allclose(two_views.augmented(x, uniform, False), expected, atol=1e-6)
    mirrored = two_views.augmented(x, uniform, True)
    np.testing.assert_allclose(mirrored, expected[:, :, ::-1], atol=1e-6)


def test_views_of_color_images_are_jittered():
    x = np.zeros((2, 4, 4, 3), np.float32)  # grey
    x[1, :, :2] = 0.6
    x[1, :, 2:] = -0.6
    uniform = np.full((2, 6), 0.5, np.float32)
    np.testing.assert_allclose(two_views.augmented(x, uniform, False), x, atol=1e-6)
    uniform[0, 3], uniform[1, 4] = 0, 0  # brightness 0.6, contrast 0.6
    got = np.asarray(two_views.augmented(x, uniform, False))
    np.testing.assert_allclose(got[0], 0.6 * 0.5 * 2 - 1, atol=1e-6)
    np.testing.assert_allclose(got[1], 0.6 * x[1], atol=1e-6)


def test_the_projector_is_part_of_the_autoencoders_player():
    model = model_with("two_views(weight=0.1)", channels=3)
    players = model.players()
    assert list(players) == ["autoencoder"]
    paths = [variable.path for variable in players["autoencoder"]]
    assert [path for path in paths if path.startswith("views/")] == [
        f"views/{layer}/{name}" for layer in ("hidden", "out") for name in ("kernel", "bias")
    ]
    assert len(paths) == len(model.trainable_variables)
    images = np.repeat(IMAGES, 3, axis=-1)
    losses, logs = objectives(model, images)
    expected = sum(0.1 * float(logs[name]) for name in ("loss_views", "loss_views_ae"))
    assert float(losses["autoencoder"]) - float(logs["loss_ae"]) == pytest.approx(expected, 1e-4)
    model.compile()
    before = np.array(model.regularizers[0].projector.weights[0])
    model.step(images)
    assert not np.array_equal(before, model.regularizers[0].projector.weights[0])


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(UsageError, match="temperature"):
        acai_tf.TwoViews(temperature=0)
