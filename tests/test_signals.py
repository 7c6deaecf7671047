"""Signals: one-dimensional data, from the benchmark's references to one's own files."""

import keras
import numpy as np
import pytest

import acai_tf
from acai_tf.config import Config
from acai_tf.data import load_dataset, npz, signals
from acai_tf.data.dataset import from_arrays
from acai_tf.data.lines import LINES
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import (
    figures,
    generation,
    lines,
    realism,
    reconstruction,
    robustness,
    similarity,
    transitions,
)
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels
from acai_tf.evaluation.run import evaluate_run
from acai_tf.models import MODELS, build_model
from acai_tf.training.train import train

SMALL = {"depth": 2, "latent": 2, "latent_width": 8}


@pytest.fixture(scope="module")
def pulses():
    return load_dataset(Config(dataset="pulses"))


def series(count, length=16, seed=0):
    """Two channels in units far from [-1, 1]."""
    t = np.arange(length) / length + np.random.default_rng(seed).random((count, 1))
    return np.stack([36 + np.sin(2 * np.pi * t), 900 + 80 * np.cos(2 * np.pi * t)], axis=-1)


# The benchmark.


def test_pulses_by_hand():
    pulse = signals.draw_pulses([0, np.pi / 2])
    assert pulse.shape == (2, 64, 1)
    assert pulse[0, 0, 0] == 1  # at the peak
    assert pulse[1, 16, 0] == 1  # a quarter of the ring further
    assert pulse[0, 2, 0] == pytest.approx(2 * np.exp(-0.5) - 1)  # a standard deviation away
    assert pulse[0, 62, 0] == pulse[0, 2, 0]  # the ring closes
    assert pulse[0, 32, 0] == pytest.approx(-1)


def test_tones_by_hand():
    (low, high) = signals.draw_tones([0, 1])[..., 0]
    t = (np.arange(64) + 0.5) / 64
    np.testing.assert_allclose(low, np.sin(4 * np.pi * (t - 0.5)) * np.sin(np.pi * t) ** 2)
    np.testing.assert_allclose(high, np.sin(8 * np.pi * (t - 0.5)) * np.sin(np.pi * t) ** 2)
    assert signals.OCTAVES[-1] == pytest.approx(np.log2(6))


def paths(templates, blend, count=256):
    """Interpolations between random templates: true ones, or blends of both ends."""
    ends = np.random.default_rng(0).uniform(templates.factor[0], templates.factor[-1], (2, count))
    t = np.linspace(0, 1, 16)
    if blend:
        first, last = (templates.draw(end)[:, None] for end in ends)
        return (1 - t[:, None, None]) * first + t[:, None, None] * last
    start, turn = ends[0], ends[1] - ends[0]
    if templates.period:  # the short way
        turn = (turn + templates.period / 2) % templates.period - templates.period / 2
    factor = start[:, None] + t * turn[:, None]
    return templates.draw(factor.ravel()).reshape(count, 16, -1, 1)


def test_what_is_right_and_what_is_a_blend_of_pulses():
    right = lines.scores(*signals.PULSES.nearest(paths(signals.PULSES, False)), signals.PULSES)
    assert right["pulse_distance"] == pytest.approx(0, abs=1e-5)
    assert right["pulse_smoothness_mean"] == pytest.approx(0.001, abs=0.001)
    blend = lines.scores(*signals.PULSES.nearest(paths(signals.PULSES, True)), signals.PULSES)
    assert blend["pulse_distance"] == pytest.approx(0.0163, abs=0.001)
    assert blend["pulse_smoothness_mean"] == pytest.approx(0.78, abs=0.05)


def test_what_is_right_and_what_is_a_blend_of_tones():
    right = lines.scores(*signals.TONES.nearest(paths(signals.TONES, False)), signals.TONES)
    assert right["tone_distance"] == pytest.approx(0, abs=1e-5)
    assert right["tone_smoothness_mean"] < 0.01
    blend = lines.scores(*signals.TONES.nearest(paths(signals.TONES, True)), signals.TONES)
    assert blend["tone_distance"] > 0.04
    assert blend["tone_smoothness_mean"] > 0.5


def test_a_factor_without_a_period_does_not_wrap():
    jump = np.array([[0.1, 6.2]])
    assert np.diff(signals.TONES.unwrapped(jump))[0, 0] == pytest.approx(6.1)
    assert np.diff(LINES.unwrapped(jump))[0, 0] == pytest.approx(6.1 - 2 * np.pi)


def test_batches_are_functions_of_seed_and_step(pulses):
    first, again = (pulses.batch_at(3, 8, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first["image"], again["image"])
    assert first["image"].shape == (8, 64, 1)
    assert not np.array_equal(first["image"], pulses.batch_at(4, 8, seed=1)["image"])
    peak = first["image"][..., 0].argmax(1) / 64  # the class is the tenth of the ring
    away = np.abs(peak - (first["label"] + 0.5) / 10)
    assert np.minimum(away, 1 - away).max() < 0.06


# Models.


FAST = ("vqvae",)


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_every_model_trains_on_signals(pulses, name):
    settings = {"z_log_size": 4} if name == "vqvae" else {}
    config = Config(model=name, dataset="pulses", batch=16, **SMALL, **settings)
    model = build_model(config, pulses.image_shape, 10)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    batch = pulses.batch_at(0, 16, seed=0)
    before = [np.array(v) for v in model.trainable_variables]
    logs = model.train_on_batch(batch["image"], batch["label"], return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    pairs = zip(before, model.trainable_variables, strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)
    assert model.latent_shape == (8, 2)
    path = model.interpolate(batch["image"][:2], batch["image"][2:4], steps=3)
    assert tuple(path.shape) == (3, 2, 64, 1)
    assert model.sample(3).shape == (3, 64, 1)


def test_networks_of_one_dimension_are_those_of_two():
    """On images whose columns are all the same, the columns of a kernel add up."""
    flat = build_model(Config(model="baseline", **SMALL), (16, 1), 0)
    wide = build_model(Config(model="baseline", **SMALL), (16, 64, 1), 0)
    for network in ("encoder", "decoder"):
        pairs = zip(getattr(flat, network).weights, getattr(wide, network).weights, strict=True)
        for of_flat, of_wide in pairs:
            value = np.array(of_wide)
            of_flat.assign(value.sum(1) if value.ndim == 4 else value)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 16, 1)).astype(np.float32)
    images = np.repeat(x[:, :, None], 64, axis=2)
    middle = slice(31, 33)  # where the borders are not seen
    np.testing.assert_allclose(flat.encode(x), wide.encode(images)[:, :, 16], atol=1e-6)
    for column in np.moveaxis(np.array(wide.reconstruct(images))[:, :, middle], 2, 0):
        np.testing.assert_allclose(flat.reconstruct(x), column, atol=1e-6)


def test_units_are_those_of_the_data():
    """A model of signals in any unit is the model of the scaled signals, and gives their units."""
    x = series(40)
    raw = from_arrays((x, None, x, None), "raw")
    offset, factor = raw.units
    scaled = ((x - offset) / factor).astype(np.float32)
    np.testing.assert_allclose(
        [scaled.min((0, 1)), scaled.max((0, 1))], [[-1, -1], [1, 1]], atol=1e-4
    )
    model = build_model(Config(model="acai", **SMALL), raw.image_shape, 0)
    inside = np.array(model.encode(scaled)), np.array(model.reconstruct(scaled))
    estimate = np.array(model.estimate(scaled))
    model.units.set(offset, factor)
    images = raw.train_images
    np.testing.assert_allclose(model.encode(images), inside[0], atol=1e-4)
    np.testing.assert_allclose(model.reconstruct(images), offset + factor * inside[1], rtol=1e-4)
    np.testing.assert_allclose(model.estimate(images), estimate, atol=1e-4)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    first = model.train_on_batch(images, return_dict=True)["loss_ae"]
    assert first == pytest.approx(np.mean((scaled - inside[1]) ** 2), rel=1e-3)


@pytest.mark.parametrize(
    ("scale", "offset", "factor"),
    [("minmax", [3, 5], [2, 1]), ("standard", [3, 5], [2, 1]), ("none", [0, 0], [1, 1])],
)
def test_scales(scale, offset, factor):
    x = np.array([[[1.0, 5], [5, 5], [1, 5], [5, 5]]])  # the second channel is constant
    found = from_arrays((x, None, x, None), "two", scale=scale).units
    np.testing.assert_allclose(found, [offset, factor])


def test_a_run_on_a_file_of_signals(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = series(80)
    names = ("train_images", "test_images", "train_labels", "test_labels")
    arrays = (x, x[:20], np.arange(80) % 2, np.arange(20) % 2)
    np.savez("mine.npz", **dict(zip(names, arrays, strict=True)))
    assert npz.holds_sequences("mine.npz")
    assert not npz.holds_sequences("no.npz")
    settings = {"batch": 16, "total_kimg": 1, "report_kimg": 1, **SMALL}
    model = train(dataset="npz:mine.npz", scale_signals="standard", **settings)
    folder = "runs/mine/acai-d16-seed0"  # 2 channels of 8 places
    np.testing.assert_allclose(model.units.offset, x.mean((0, 1)), rtol=1e-5)
    images = x[:4].astype(np.float32)
    expected = np.array(model.reconstruct(images))
    for loaded in (acai_tf.load(folder), acai_tf.load(f"{folder}/saved_model")):
        np.testing.assert_allclose(loaded.reconstruct(images), expected, rtol=1e-4)
    found = evaluate_run(folder, ["sheets", "reconstruction", "similarity", "linear"])
    error = np.sqrt(np.mean((np.array(model.reconstruct(x[:20].astype(np.float32))) - x[:20]) ** 2))
    assert found["signal_rmse"] == pytest.approx(error, rel=1e-3)
    assert "test_ssim" not in found


# Figures and evaluators.


def test_curves_by_hand():
    flat, ramp = np.zeros((64, 1)), np.linspace(-1, 1, 64)[:, None]
    picture = figures.curves(np.stack([flat, ramp]))
    assert picture.shape == (2, 32, 65, 1)
    dark = (1 - picture[..., 0]) / 2
    np.testing.assert_allclose(dark[0, :, :-1].sum(0), 1)  # a line one pixel thick
    rows = np.arange(32)
    np.testing.assert_allclose((dark[0] * rows[:, None]).sum(0)[:-1], 15.5)  # in the middle
    centre = (dark[1] * rows[:, None]).sum(0)[:-1] / dark[1].sum(0)[:-1]
    assert (np.diff(centre) <= 0).all()  # up is up
    assert centre[0] > 29 > 2 > centre[-1]
    assert (picture[:, :, -1] == 1).all()
    assert figures.curves(np.zeros((3, 5, 1000, 2))).shape == (3, 5, 32, 128, 1)


def test_curves_of_signals_in_any_unit_fill_the_picture():
    x = series(10)
    scaled = figures.normalized(x, x)
    np.testing.assert_allclose([scaled.min((0, 1)), scaled.max((0, 1))], [[-1, -1], [1, 1]])
    images = np.ones((2, 4, 4, 1))
    assert figures.normalized(images, images) is images


def test_what_needs_images_says_so(pulses):
    context = Context(Pixels(pulses.image_shape), pulses)
    context.model.sample = None
    for evaluate in (
        *(similarity.evaluate, realism.evaluate, transitions.evaluate),
        *(generation.evaluate, robustness.evaluate),
    ):
        with pytest.raises(CannotEvaluate, match="not images"):
            evaluate(context)
    assert reconstruction.evaluate(context) == {"signal_rmse": 0}
    blend = lines.evaluate(context)
    assert blend["pulse_distance"] == pytest.approx(0.0163, abs=0.002)


# Bad input.


def test_bad_signals():
    x = series(8)
    for bad, word in (
        (np.where(x > 970, np.nan, x), "NaN"),
        (x[..., None], r"signals \[N, T\]"),
        (x[:, :2], "uint8"),  # as many samples as channels: more likely grey images
        (x[:0], "N > 0"),
    ):
        with pytest.raises(UsageError, match=word):
            from_arrays((bad, None, x, None), "bad")
    with pytest.raises(UsageError, match="test images differ"):
        from_arrays((x, None, x[:, :8], None), "bad")
    with pytest.raises(UsageError, match="finite"):
        acai_tf.Units(1).set([0.0], [0.0])


def test_networks_that_are_for_images(pulses):
    with pytest.raises(UsageError, match="not signals"):
        build_model(Config(networks="residual", **SMALL), (64, 1), 0)
    with pytest.raises(UsageError, match="latent_width"):
        build_model(Config(depth=2, latent=2, latent_width=5), (64, 1), 0)
    model = build_model(Config(model="baseline", corruption="occlusion", **SMALL), (64, 1), 0)
    model.compile(optimizer="adam")
    with pytest.raises(UsageError, match="images"):
        model.train_on_batch(pulses.test_images[:4])
