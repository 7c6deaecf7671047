"""The measures of generation and information, by hand, against definitions, and on known cases."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.linalg

from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import classifier, generation, information
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.generation import Balls, frechet_distance, precision_recall
from acai_tf.evaluation.pixels import Pixels, to_float
from acai_tf.evaluation.run import evaluate_run
from acai_tf.training.train import train


class Model(Pixels):
    """Raw pixels, with new images from two given sets: for the fitted mixture and the prior."""

    discrete = False

    def __init__(self, fitted, prior=None):
        super().__init__(fitted.shape[1:])
        self.sets = {"fitted": fitted, "prior": fitted if prior is None else prior}

    def sample(self, n, sampler, seed=0):
        images = self.sets["prior" if sampler == "prior" else "fitted"]
        return np.roll(np.resize(to_float(images), (n, *self.image_shape)), seed, axis=0)


def judged(model, dataset, **options):
    context = Context(model, dataset, **options)
    context.sampler = "fitted"  # a mixture of raw pixels takes long
    return context


@pytest.fixture(scope="module")
def digits():
    return load_dataset(Config(dataset="digits"))


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 60)


def normal(count, size, seed=0):
    return np.random.default_rng(seed).standard_normal((count, size))


# The Frechet distance.


def test_frechet_distance_by_hand():
    a = np.array([[-1.0], [1.0]])  # mean 0, variance 2
    b = np.array([[1.0], [5.0]])  # mean 3, variance 8
    assert frechet_distance(a, b) == pytest.approx(3**2 + (8**0.5 - 2**0.5) ** 2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-12)


def test_frechet_distance_of_any_covariances():
    a, b = normal(200, 6) @ normal(6, 6, 1), normal(150, 6, 2) @ normal(6, 6, 3) + 1
    c_a, c_b = np.cov(a.T), np.cov(b.T)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2)
    expected += np.trace(c_a + c_b - 2 * scipy.linalg.sqrtm(c_a @ c_b)).real
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(b, a) == pytest.approx(expected)
    rotation = np.linalg.qr(normal(6, 6, 4))[0]
    assert frechet_distance(a @ rotation + 2, b @ rotation + 2) == pytest.approx(expected)


def test_fewer_features_than_dimensions():
    a = normal(5, 20)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


# Precision, recall, density, coverage.


def test_precision_and_recall_by_hand():
    # k = 1: real balls reach from 0 to 1, 1 to 0 and 10 to 1: radii 1, 1, 9.
    real, fake = Balls(np.array([[0.0], [1.0], [10.0]]), 1), Balls(np.array([[0.5], [-5.0]]), 1)
    np.testing.assert_allclose(real.radius, [1, 1, 81])
    np.testing.assert_allclose(fake.radius, [5.5**2, 5.5**2])
    # 0.5 is in the balls of 0 and 1, and 9.5 from 10, outside; -5 is in none.
    scores = precision_recall(real, fake)
    assert scores == {
        "precision": 1 / 2,
        "recall": pytest.approx(2 / 3),  # 0 and 1 are in the ball of 0.5, 10 in none
        "density": 1.0,  # 2 balls and 0, the mean
        "coverage": pytest.approx(2 / 3),
    }


def test_precision_and_recall_by_their_definitions(monkeypatch):
    monkeypatch.setattr(generation, "PART", 7)
    real, fake, k = normal(50, 3), normal(40, 3, 1) + 0.5, 5
    far = np.linalg.norm(real[:, None] - fake, axis=2)
    r_real, r_fake = (
        np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, k] for x in (real, fake)
    )
    inside = far < r_real[:, None]
    assert precision_recall(Balls(real), Balls(fake)) == {
        "precision": pytest.approx(inside.any(0).mean()),
        "recall": pytest.approx((far < r_fake).any(1).mean()),
        "density": pytest.approx(inside.sum() / (k * len(fake))),
        "coverage": pytest.approx(inside.any(1).mean()),
    }


def test_the_same_distribution_scores_high_and_duplicates_lower_coverage():
    real, same = Balls(normal(400, 4)), normal(400, 4, 1)
    scores = precision_recall(real, Balls(same))
    assert min(scores.values()) > 0.85
    few = precision_recall(real, Balls(np.repeat(same[:10], 40, axis=0)))
    assert few["precision"] > 0.8
    assert few["coverage"] < 0.2 > few["recall"]


# The evaluator.


def test_known_cases_are_ordered(digits, short, monkeypatch):
    """Images of the data, a blend of two, blurred ones, noise."""
    monkeypatch.setattr(generation, "DRAWS", 1)
    train, rng = to_float(digits.train_images), np.random.default_rng(0)
    rolled = sum(np.roll(train, (i, j), (1, 2)) for i in range(-3, 4) for j in range(-3, 4)) / 49
    noise = rng.uniform(-1, 1, train.shape).astype(np.float32)
    a = generation.evaluate(judged(Model(train, rolled), digits))
    b = generation.evaluate(judged(Model(np.repeat(train[:10], 50, 0), noise), digits))
    expected = {n for n in generation.SCORES if not n.startswith(("own_", "chain_"))}
    assert set(a) == expected
    assert a["train_fd"] < 2 * a["fitted_fd"] < a["prior_fd"] < b["prior_fd"]
    assert b["prior_fd"] == pytest.approx(a["noise_fd"], rel=0.1)
    assert a["blend_fd"] > a["reconstruction_fd"] == pytest.approx(0, abs=1e-6)
    assert a["middle_fd"] == pytest.approx(a["blend_fd"], rel=1e-3)  # of raw pixels
    assert not any("density" in name for name in a if name.startswith(("middle", "blend")))
    # A model that has learned ten images by heart.
    assert b["fitted_precision"] > 0.7
    assert b["fitted_recall"] < 0.2 < 0.7 < a["fitted_recall"]
    assert b["fitted_coverage"] < 0.4 < 0.7 < a["fitted_coverage"]


def test_features_of_ones_own_and_draws(digits, monkeypatch):
    seen = []

    def features(images):
        seen.append(images.dtype)
        return images.reshape(len(images), -1)[:, ::37].astype(float)

    monkeypatch.setattr("acai_tf.registry.find", lambda kind, name, known: features)
    model = Model(digits.train_images)
    scores = generation.evaluate(judged(model, digits), features="mine:features")
    assert set(seen) == {np.dtype(np.uint8)}
    count, label = len(digits.test_images), digits.test_labels
    real, alone = features(digits.test_images), []
    for draw in range(3):
        images = model.sample(count, "prior", draw * generation.IMAGES)
        drawn = features(np.round(127.5 * images + 127.5).astype(np.uint8))
        alone.append(frechet_distance(real, drawn))
    assert scores["own_prior_fd"] == pytest.approx(np.mean(alone))
    assert scores["own_prior_fd_std"] == pytest.approx(np.std(alone), abs=1e-9)
    monkeypatch.setattr(generation, "PART", 100)
    parts = generation.evaluate(judged(model, digits), features="mine:features")
    same = [f"own_{which}_fd" for which in ("middle", "reconstruction", "blend", "train", "noise")]
    assert [parts[name] for name in same] == pytest.approx([scores[name] for name in same])
    start, end = generation.pairs(label)
    np.testing.assert_array_equal(start, np.arange(count))
    assert (label[start] != label[end]).all()
    assert len(np.unique(end)) > count / 2


def test_every_image_has_a_partner():
    few = np.array([0] * 7 + [1])
    start, end = generation.pairs(few)
    assert (few[start] != few[end]).all()
    assert len(start) == 8
    start, end = generation.pairs(np.zeros(50, int))
    assert (start != end).all()
    assert len(start) == 50


def test_parts_are_different_images(digits, monkeypatch):
    """All samples are drawn, not one part again and again."""
    monkeypatch.setattr(generation, "PART", 100)
    monkeypatch.setattr(
        "acai_tf.registry.find",
        lambda *_: lambda images: images[:, ::5, ::5, 0].reshape(len(images), -1),
    )
    seeds = []
    model = Model(digits.train_images)
    monkeypatch.setattr(
        model,
        "sample",
        lambda n, sampler, seed: seeds.append((sampler, n, seed)) or digits.train_images[:n],
    )
    generation.evaluate(judged(model, digits), features="mine:features")
    assert len(set(seeds)) == len(seeds) == 2 * 3 * 4
    assert sum(n for sampler, n, _ in seeds if sampler == "prior") == 3 * 360


def test_without_classes_features_are_gradients():
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 1), np.uint8)
    data = load_dataset(Config(dataset="digits"))
    data = dataclasses.replace(data, class_names=(), image_shape=(16, 16, 1))
    assert generation.extractor(Context(None, data))(images).shape == (30, 16 * 9)


@pytest.mark.parametrize(
    ("features", "word"),
    [
        (lambda images: np.ones((len(images), 3)), "the same features"),
        (lambda images: np.ones((3, 3)), r"\[N, f\]"),
        (lambda images: np.full((len(images), 3), np.nan), "not finite"),
        (lambda images: np.full((len(images), 3), "a"), r"\[N, f\]"),
    ],
)
def test_features_that_cannot_be_compared(digits, monkeypatch, features, word):
    monkeypatch.setattr("acai_tf.registry.find", lambda *_: features)
    with pytest.raises(CannotEvaluate, match=word):
        generation.evaluate(judged(Model(digits.train_images), digits), features="mine:features")


def test_samples_that_are_not_finite(digits, short):
    images = np.full((3, 32, 32, 1), np.nan, np.float32)
    with pytest.raises(CannotEvaluate, match="samples, fitted mixture are not finite"):
        generation.evaluate(judged(Model(images), digits))


def test_too_few_images_and_no_decoder(digits, short):
    images, labels = digits.test_images[:5], digits.test_labels[:5]
    few = dataclasses.replace(digits, test_images=images, test_labels=labels)
    with pytest.raises(CannotEvaluate, match="5 test images are too few"):
        generation.evaluate(judged(Model(images), few))
    with pytest.raises(CannotEvaluate, match="no decoder"):
        generation.evaluate(Context(Pixels((32, 32, 1)), digits))


@pytest.mark.parametrize(
    ("features", "evaluators", "word"),
    [
        ("no_such_module:function", ["generation"], "no_such_module"),
        ("nothing", ["generation"], "my_package"),
        ("math:pi", ["generation"], "not a function"),
        ("math:floor", ["linear"], "generation"),
    ],
)
def test_features_are_checked_before_anything_is_measured(features, evaluators, word):
    with pytest.raises(UsageError, match=word):
        evaluate_run("acai/lines-d64", evaluators, features=features)


def test_own_features_are_read_and_measured_again_when_they_change(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(classifier, "trained", None)  # it is not needed
    train(dataset="digits", depth=2, total_kimg=1, report_kimg=1, batch=16, export=False)
    code = "def f(x):\n    return x[:, ::9, ::9, 0].reshape(len(x), -1) / 255\n"
    (tmp_path / "mine.py").write_text(code)
    found = evaluate_run("runs/digits/acai-d32-seed0", ["generation"], features="mine:f")
    assert 0 < found["own_train_fd"] < found["own_noise_fd"]
    assert not any(name.startswith("fitted") for name in found)
    options = generation_options(tmp_path)
    (tmp_path / "mine.py").write_text(code + "# changed\n")
    evaluate_run("runs/digits/acai-d32-seed0", ["generation"], features="mine:f")
    assert generation_options(tmp_path) != options


def generation_options(folder):
    saved = json.loads((folder / "runs/digits/acai-d32-seed0/eval.json").read_text())
    return saved["evaluators"]["generation"]["options"]


def test_codes_that_are_not_finite_are_left_out(digits, short):
    model = Model(digits.train_images)
    nan = {"encode": lambda images: np.full((len(images), 2), np.nan)}
    plain = model.compiled_method
    model.compiled_method = lambda name, **options: nan.get(name) or plain(name, **options)
    with pytest.raises(CannotEvaluate, match="not finite"):
        generation.evaluate(Context(model, digits))


def test_the_sheet_is_of_new_images(digits):
    sheet = generation.draw(judged(Model(digits.train_images), digits))["new images"]
    np.testing.assert_array_equal(sheet[:32, :32], digits.train_images[0])


# Information.


def test_information_of_known_codes():
    def nats(size):
        codes = (normal(64, size, seed).astype(np.float32) for seed in range(20))
        return np.log(2) * np.mean([information.info_nce(one) for one in codes])

    # Of N(0, I), as worked out for the regularizer of this name.
    assert [nats(size) for size in (32, 64, 256)] == pytest.approx([2.92, 2.90, 3.08], abs=0.15)
    wide, none = 50 * normal(64, 8).astype(np.float32), np.zeros((64, 8), np.float32)
    assert information.info_nce(wide) == pytest.approx(6, abs=1e-4)  # log2 of 64
    assert information.info_nce(none) == pytest.approx(0, abs=1e-5)


def test_information_of_two_places():
    """Codes at one of two far places tell one bit."""
    codes = np.zeros((64, 1), np.float32)
    codes[::2] = 50
    assert information.info_nce(codes) == pytest.approx(1, abs=1e-4)


def test_information_in_parts(monkeypatch):
    codes = normal(50, 5).astype(np.float32)
    whole = information.info_nce(codes)
    monkeypatch.setattr(information, "PART", 7)
    assert information.info_nce(codes) == pytest.approx(whole, rel=1e-5)


def test_whitening():
    codes = normal(500, 4) @ normal(4, 4, 1) + 7
    white = information.whitened(codes, codes)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-9)
    flat = np.concatenate([codes, np.ones((500, 3))], axis=1)  # and constant directions
    assert information.whitened(flat, flat).shape == (500, 4)
    assert information.whitened(codes[:, :1], codes[:, :1]).shape == (500, 1)


def test_whitening_is_with_the_training_codes():
    train = normal(500, 3) * [1, 10, 100]
    np.testing.assert_allclose(information.whitened(train, 2 * train).std(0), 2, rtol=0.1)
    np.testing.assert_allclose(information.scaled(train, 2 * train).var(0).sum(), 12, rtol=0.01)


def test_information_and_its_scale(digits):
    def encoded(scale):
        model = Pixels(digits.image_shape)
        model.compiled_method = lambda name: lambda x: to_float(x)[:, ::5, ::5, 0] * scale
        return information.evaluate(Context(model, digits))

    even, uneven = encoded(1), encoded(np.array([1, 1, 1, 10, 1, 1, 1]))
    whitened = [scores["information_bits_whitened"] for scores in (even, uneven)]
    assert whitened[0] == pytest.approx(whitened[1], rel=0.05)
    assert uneven["information_bits"] < 0.9 * even["information_bits"]
    assert encoded(1000)["information_bits"] == pytest.approx(even["information_bits"], rel=1e-3)
    assert even["information_bits"] < even["information_bits_limit"] == np.log2(360)
    # Principal components keep the variance, and so more than every fifth pixel.
    assert even["pixels_information_bits"] == pytest.approx(uneven["pixels_information_bits"])


def test_information_of_constant_codes(digits):
    model = Pixels(digits.image_shape)
    model.compiled_method = lambda name: lambda x: np.ones((len(x), 3), np.float32)
    with pytest.raises(CannotEvaluate, match="the same"):
        information.evaluate(Context(model, digits))
