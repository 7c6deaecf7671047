"""Corruptions of the encoder's input, by hand; by name on every model."""

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import acai_tf
from acai_tf import flags, models
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import CORRUPTIONS, MODELS, build_model
from acai_tf.models.noise import StepSeed, seed_weights
from acai_tf.training.run_folder import default_run_dir

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 16, 16, 1), np.uint8)
COLORS = RNG.uniform(-1, 1, (5, 8, 12, 3)).astype(np.float32)  # not square


class Inverted(acai_tf.Corruption):
    """A corruption from outside."""

    def corrupt(self, x, noise):
        return -x


def corrupted(layer, x, step=0):
    return np.asarray(layer(x, layer.noise(StepSeed(0, step), x.shape)))


def built(corruption: str, model: str = "baseline", **settings):
    seed_weights(0)
    own = {"z_log_size": 4, "num_latents": 2} if model == "vqvae" else {}
    config = Config(model=model, corruption=corruption, depth=2, latent=2, **own, **settings)
    return build_model(config, (16, 16, 1), 3)


# By hand.


def test_gaussian_noise_and_dropped_pixels():
    noise = np.float32([[[[3.0, -1.0]]]])
    np.testing.assert_allclose(acai_tf.GaussianNoise(0.5)(0 * noise, {"noise": noise}), 0.5 * noise)
    uniform = np.float32([0.1, 0.4, 0.9]).reshape(1, 1, 3, 1)
    x = np.full((1, 1, 3, 2), 0.5, np.float32)
    got = acai_tf.DroppedPixels(0.4)(x, {"uniform": uniform})
    np.testing.assert_array_equal(got, np.float32([[[[-1, -1], [0.5, 0.5], [0.5, 0.5]]]]))


def test_blur_is_a_gaussian_filter():
    expected = gaussian_filter(COLORS, (0, 1.3, 1.3, 0), mode="nearest")
    np.testing.assert_allclose(acai_tf.Blur(1.3)(COLORS, {}), expected, atol=1e-6)
    np.testing.assert_allclose(acai_tf.Blur(0)(COLORS, {}), COLORS, atol=1e-6)


def test_occlusion_covers_a_square_within_the_image():
    layer = acai_tf.Occlusion(0.5)  # side 4 of 8 x 12
    corner = np.float32([[0, 0], [0.999, 0.999], [0.5, 0.5], [0, 0.999], [0.2, 0.3]])
    got = np.asarray(layer(COLORS, {"corner": corner}))
    expected = COLORS.copy()
    for image, (top, left) in zip(expected, [(0, 0), (4, 8), (2, 4), (0, 8), (1, 2)], strict=True):
        image[top : top + 4, left : left + 4] = -1
    np.testing.assert_array_equal(got, expected)
    assert np.all(np.asarray(acai_tf.Occlusion(1.0)(COLORS[:, :, :8], {"corner": corner})) == -1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_a_function_of_seed_and_step(name):
    layer = getattr(acai_tf, CORRUPTIONS[name].partition(":")[2])()
    first = corrupted(layer, COLORS)
    np.testing.assert_array_equal(first, corrupted(layer, COLORS))
    assert np.array_equal(first, corrupted(layer, COLORS, step=1)) == (name == "blur")
    assert first.shape == COLORS.shape
    assert not np.array_equal(first, COLORS)
    np.testing.assert_array_equal(layer(COLORS), COLORS)  # inference
    copy = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(first, corrupted(copy, COLORS))


@pytest.mark.parametrize(
    "make",
    [
        lambda: acai_tf.GaussianNoise(-1),
        lambda: acai_tf.Blur(float("inf")),
        lambda: acai_tf.DroppedPixels(1.5),
        lambda: acai_tf.Occlusion(float("nan")),
    ],
)
def test_values_outside_their_range_are_refused(make):
    with pytest.raises(UsageError, match="must be in"):
        make()


# By name.


@pytest.mark.parametrize("model", [name for name in MODELS if name != "denoising"])
def test_any_model_takes_one(model):
    """Only the encoder, only in training, reads the corrupted image."""
    clean, other = built("", model), built(f"{__name__}:Inverted", model)
    np.testing.assert_array_equal(clean.reconstruct(IMAGES), other.reconstruct(IMAGES))
    x, label = IMAGES / np.float32(127.5) - 1, np.arange(4) % 3
    noise = clean.noise(StepSeed(0, 0), 4)
    seen = []
    encoder = other.encoder.call
    other.encoder.call = lambda x, **options: seen.append(x) or encoder(x, **options)
    other.objectives(x, label, {**noise, "corruption": {}})
    np.testing.assert_array_equal(seen[0], -x)
    np.testing.assert_array_equal(seen[1], x)  # for the probe


def test_gaussian_noise_on_the_baseline_is_the_denoising_autoencoder():
    losses = []
    for model in (built("gaussian_noise(stddev=0.3)"), built("", "denoising", noise=0.3)):
        x = IMAGES / np.float32(127.5) - 1
        found, _ = model.objectives(x, np.arange(4) % 3, model.noise(StepSeed(0, 5), 4))
        losses.append({name: float(loss) for name, loss in found.items()})
    assert losses[0] == losses[1]


def test_flags_and_the_run_folders_name():
    words = ["train.py", "--dataset=digits", "--model=aae"]
    config = flags.parse([*words, "--corruption=gaussian_noise(stddev=0.3)"])
    assert default_run_dir(config).startswith("runs/digits/aae+gaussian_noise-stddev=0.3")
    with pytest.raises(UsageError, match="blur"):  # before any data are loaded
        flags.parse([*words, "--corruption=snow"])


def test_a_registered_name(monkeypatch):
    monkeypatch.setattr(models, "CORRUPTIONS", dict(CORRUPTIONS))
    monkeypatch.setitem(models._REGISTRIES, "corruption", models.CORRUPTIONS)
    acai_tf.register("corruption", "inverted", f"{__name__}:Inverted")
    assert isinstance(built("inverted").corruption, Inverted)


@pytest.mark.parametrize(
    ("corruption", "model", "says"),
    [
        ("snow", "baseline", "occlusion"),
        ("gaussian_noise(std=1)", "baseline", "std"),
        ("blur(stddev=-1)", "baseline", "stddev"),
        ("blur(stddev='a')", "baseline", "blur"),
        ("keras.layers:Dropout(rate=0.5)", "baseline", "Corruption"),  # draws its own numbers
        ("blur", "denoising", "--model=baseline"),
    ],
)
def test_what_does_not_fit_is_refused(corruption, model, says):
    with pytest.raises(UsageError, match=says):
        built(corruption, model)


def test_a_model_with_a_corruption_is_saved_and_loaded(tmp_path):
    model = built("dropped_pixels(rate=0.4)", "aae")
    model.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(tmp_path / "mine.keras")
    assert loaded.corruption.rate == 0.4
