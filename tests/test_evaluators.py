"""Each evaluator against values worked out by hand, independent implementations, and its limits."""

import functools
import math
import pathlib
import shutil
import sys
import types
from importlib.machinery import ModuleSpec

import keras
import numpy as np
import pytest

from acai_tf import backend, evaluation
from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.lines import draw_lines
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import (
    classifier,
    clustering,
    context,
    critic,
    fast_gradient,
    linear,
    lines,
    map,
    neighbours,
    pixel_baseline,
    realism,
    reconstruction,
    robustness,
    similarity,
    transitions,
    untrained_baseline,
)
from acai_tf.evaluation.context import Context, shared, shrunk
from acai_tf.evaluation.pixels import Pixels
from acai_tf.models import build_model, losses
from acai_tf.models.autoencoder import Autoencoder
from acai_tf.models.noise import seed_weights


class Verbs(Pixels):
    """Raw pixels, of which some verbs are given."""

    def __init__(self, image_shape, **verbs):
        super().__init__(image_shape)
        self._verbs = verbs

    def compiled_method(self, verb, **options):
        return self._verbs.get(verb) or super().compiled_method(verb, **options)


def images_of(count, shape=(32, 32, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def dataset_of(train=40, test=24, shape=(32, 32, 1), classes=3):
    return ArrayDataset(
        name="noise",
        image_shape=shape,
        class_names=tuple("abcdefghij"[:classes]),
        train_images=images_of(train, shape),
        train_labels=np.arange(train) % classes,
        test_images=images_of(test, shape, seed=1),
        test_labels=np.arange(test) % classes,
    )


@pytest.fixture
def data():
    return dataset_of()


@pytest.fixture
def digits():
    return load_dataset(Config(dataset="digits"))


# What evaluators share.


def test_shared_results_are_told_apart_by_their_options():
    calls = []

    @shared
    def double(context, n=7):
        calls.append(n)
        return 2 * n

    context = Context(None, None)
    assert [double(context, n=1), double(context, n=2), double(context, n=1)] == [2, 4, 2]
    assert double(Context(None, None)) == 14
    assert calls == [1, 2, 7]


def test_results_are_of_the_code_that_is_there(tmp_path, monkeypatch):
    copy = shutil.copytree(pathlib.Path(evaluation.__file__).parent, tmp_path / "evaluation")
    monkeypatch.setattr(evaluation, "__file__", str(copy / "__init__.py"))
    before = evaluation.code_hash("clustering")
    assert evaluation.code_hash("clustering") == before
    with (copy / "context.py").open("a") as file:
        file.write("# another\n")
    assert evaluation.code_hash("clustering") != before


# The critic.


class Critical(Verbs):
    """Raw pixels with a critic."""

    critic = True


def test_a_critic_that_knows_and_one_that_says_the_same_of_all(data):
    t = np.linspace(0, 1, 16)
    alpha = np.minimum(t, 1 - t)
    for said, spread, correlation in (
        (alpha, np.std(alpha), 1),
        (0.1 - 0.2 * alpha, 0.2 * np.std(alpha), -1),
        (np.full(16, 0.25), 0, np.nan),
    ):
        model = Critical(
            data.image_shape,
            interpolate=lambda a, b: np.zeros((16, *a.shape)),
            estimate=lambda path, said=said: np.repeat(said, len(path) // 16),
        )
        scores = critic.evaluate(Context(model, data))
        assert scores["critic_spread"] == pytest.approx(spread, abs=1e-9)
        assert scores["critic_correlation"] == pytest.approx(correlation, nan_ok=True)


def test_the_critic_is_asked_along_the_paths(data):
    model = build_model(Config(model="acai", depth=2), data.image_shape, 2)
    alpha, said = critic.estimates(Context(model, data))
    pairs = len(said)
    path = model.interpolate(
        data.test_images[:pairs], data.test_images[pairs : 2 * pairs], steps=16
    )
    for pair in range(pairs):
        np.testing.assert_allclose(said[pair], model.estimate(path[:, pair]), atol=1e-6)
    assert alpha[0] == alpha[-1] == 0


def test_a_model_without_a_critic_says_so(data):
    with pytest.raises(CannotEvaluate, match="no critic"):
        critic.evaluate(Context(Verbs(data.image_shape), data))


# Reconstruction.


def test_reconstruction_by_hand(data):
    off = {0: 0.0, 1: 10.0}  # grey levels by which every second image is off

    def reconstruct(images):
        error = np.array([off[i % 2] for i in range(len(images))]).reshape(-1, 1, 1, 1)
        return (images.astype(np.float64) + error) / 127.5 - 1

    scores = reconstruction.evaluate(
        Context(Verbs(data.image_shape, reconstruct=reconstruct), data)
    )
    assert scores["test_rmse"] == pytest.approx(np.sqrt(50), rel=1e-5)
    perfect, other = 10 * np.log10(255**2 / 1e-4), 10 * np.log10(255**2 / 100)
    assert scores["test_psnr"] == pytest.approx((perfect + other) / 2, rel=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 1), (24, 24, 3)])
def test_similarity_is_that_of_tensorflow(shape):
    tf = pytest.importorskip("tensorflow")
    data = dataset_of(shape=shape)
    noise = np.random.default_rng(5).normal(size=(24, *shape)).astype(np.float32)

    def reconstruct(images):
        return images / np.float32(127.5) - 1 + 0.3 * noise

    found = similarity.evaluate(Context(Verbs(shape, reconstruct=reconstruct), data))["test_ssim"]
    truth = (data.test_images / 127.5 - 1).astype(np.float32)
    made = np.clip(reconstruct(data.test_images), -1, 1)
    # TensorFlow leaves out the borders that the window does not fit into, as the paper does.
    expected = np.mean(tf.image.ssim(truth, made, max_val=2.0))
    assert found == pytest.approx(expected, abs=2e-4)
    assert 0.3 < found < 0.99


def test_the_same_images_are_perfectly_similar(data):
    assert similarity.evaluate(Context(Pixels(data.image_shape), data)) == {
        "test_ssim": pytest.approx(1)
    }


# Interpolation on real images.


def true_lines(starts, ends):
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 16 * len(starts))
    return draw_lines(angles).reshape(16, len(starts), 32, 32, 1)


def test_interpolants_that_are_images_are_real_and_blends_are_not(monkeypatch):
    monkeypatch.setattr(context, "PAIRS", 64)
    monkeypatch.setattr(realism, "OTHERS", 2000)
    data = load_dataset(Config(dataset="lines"))
    real = realism.evaluate(Context(Verbs(data.image_shape, interpolate=true_lines), data))
    assert real["realism"] == pytest.approx(1, abs=0.03)
    assert real["realism_distance_reconstruction"] == pytest.approx(real["realism_distance_real"])
    blend = realism.evaluate(Context(Pixels(data.image_shape), data))
    assert blend["realism"] == pytest.approx(0, abs=1e-6)
    assert blend["realism_distance"] == blend["realism_distance_blend"]
    assert blend["realism_distance_blend"] > 2 * blend["realism_distance_real"]


def test_the_ends_do_not_count(monkeypatch):
    """Reconstructions are what `reconstruction` measures."""
    monkeypatch.setattr(context, "PAIRS", 64)
    monkeypatch.setattr(realism, "OTHERS", 500)
    data = load_dataset(Config(dataset="lines"))

    def jump(starts, ends):
        path = np.full((16, len(starts), 32, 32, 1), -1.0)
        path[0], path[-1] = starts, ends
        return path

    scores = realism.evaluate(Context(Verbs(data.image_shape, interpolate=jump), data))
    assert scores["realism_distance"] == pytest.approx(1, abs=1e-3)  # of an empty image
    assert scores["realism"] < 0  # farther than the blend; no bound is claimed
    assert "not bounded" in realism.evaluate.__doc__


def test_realism_is_undefined_where_the_blend_is_as_real_as_images(data):
    flat = np.zeros((24, 32, 32, 1), np.uint8)
    flat[:, ::2] = np.linspace(50, 250, 24).reshape(-1, 1, 1, 1)  # contrast alone differs
    object.__setattr__(data, "test_images", flat)
    scores = realism.evaluate(Context(Pixels(data.image_shape), data))
    assert np.isnan(scores["realism"])


def test_paths_lead_between_the_images_that_they_say(data):
    context = Context(Pixels(data.image_shape), data)
    images = data.test_images / 127.5 - 1
    np.testing.assert_allclose(context.blends[:, 0], images[:6], atol=1e-6)
    np.testing.assert_allclose(context.blends[:, -1], images[6:12], atol=1e-6)


def test_the_feature_does_not_see_brightness_and_contrast():
    images = np.random.default_rng(0).uniform(-1, 1, (5, 32, 32, 1))
    feature = realism.feature(images)
    np.testing.assert_allclose(np.linalg.norm(feature, axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(realism.feature(0.3 * images + 0.2), feature, atol=1e-4)
    distance = realism.distance_to_nearest(feature, feature[::-1])
    np.testing.assert_allclose(distance, 0, atol=1e-3)


def test_the_ends_are_not_among_the_images_that_are_near(data):
    """Else a path would be near its own ends whatever it looks like."""
    context = Context(Pixels(data.image_shape), data)
    assert context.pairs == 6
    assert realism.distances(context)["real"].min() > 0.1


def test_class_probabilities_that_change_evenly_and_at_once():
    even = np.linspace([1, 0, 0], [0, 1, 0], 16)
    jump = np.where(np.arange(16)[:, None] < 7, [1.0, 0, 0], [0, 1.0, 0])
    scores = transitions.path_scores(even[None])
    assert scores["smoothness"] == pytest.approx(0, abs=1e-12)
    assert scores["detour"] == pytest.approx(0, abs=1e-12)
    assert scores["confidence"] == pytest.approx(np.mean(even[1:-1].max(-1)))
    scores = transitions.path_scores(jump[None])
    assert scores == {
        "smoothness": pytest.approx(14 / 15),
        "detour": pytest.approx(0),
        "confidence": 1,
    }


def test_a_class_on_the_way_is_a_detour():
    path = np.eye(3)[[0] * 5 + [2] * 5 + [1] * 6]
    assert transitions.path_scores(path[None])["detour"] == pytest.approx(1)


def test_paths_within_a_class_do_not_count():
    within = np.tile([0.8, 0.2], (16, 1))
    across = np.linspace([1, 0], [0, 1], 16)
    both = transitions.path_scores(np.stack([within, across]))
    assert both["smoothness"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(transitions.path_scores(within[None])["smoothness"])


def test_the_classifier_is_trained_on_training_images(digits, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 60)
    object.__setattr__(digits, "test_labels", (digits.test_labels + 1) % 10)  # all wrong
    model = classifier.trained(Context(None, digits))
    p = classifier.probabilities(model, shrunk(digits.test_images))
    assert np.mean(p.argmax(-1) == (digits.test_labels - 1) % 10) > 0.6


def test_the_classifier_learns_and_is_kept(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 60)
    model = classifier.trained(Context(None, digits, cache=tmp_path))
    images = shrunk(digits.test_images)
    p = classifier.probabilities(model, images)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-4)
    assert np.mean(p.argmax(-1) == digits.test_labels) > 0.6
    (kept,) = tmp_path.iterdir()

    def train(dataset):
        raise AssertionError("it is there already")

    with monkeypatch.context() as patch:
        patch.setattr(classifier, "train", train)
        again = classifier.trained(Context(None, digits, cache=tmp_path))
    np.testing.assert_array_equal(classifier.probabilities(again, images), p)
    kept.write_bytes(kept.read_bytes()[:2000])
    again = classifier.trained(Context(None, digits, cache=tmp_path))
    np.testing.assert_allclose(classifier.probabilities(again, images), p, atol=1e-3)


# Robustness.


def test_corruptions_by_hand():
    rng = np.random.default_rng(0)
    grey = np.zeros((20, 32, 32, 1))
    assert robustness.noise(grey, 0.1, rng).std() == pytest.approx(0.2, rel=0.03)
    assert np.abs(robustness.noise(grey, 5.0, rng)).max() == 1
    holed = robustness.holes(np.ones((20, 32, 32, 3)), 0.25, rng)
    assert np.mean(holed == -1) == pytest.approx(0.25, abs=0.01)
    assert np.all(np.ptp(holed, axis=-1) == 0)  # all colors of a pixel together
    point = np.zeros((1, 33, 33, 1))
    point[0, 16, 16, 0] = 1
    row = robustness.blur(point, 2.0 * 32 / 33, rng)[0, :, :, 0].sum(0)
    place = np.arange(33) - 16
    assert np.sqrt(np.sum(row * place**2)) == pytest.approx(2, rel=0.02)
    np.testing.assert_allclose(robustness.blur(grey + 0.5, 2.0, rng), 0.5, rtol=1e-6)
    covered = robustness.square(grey, 0.25, rng)
    assert np.all(np.sum(covered == -1, axis=(1, 2, 3)) == 8 * 8)
    pixels = np.array([0.0, 0.5, -0.25, 0.9])
    moved = robustness.adversarial(pixels, 0.1, np.array([1, 0, -1, 1]))
    np.testing.assert_allclose(moved, [0.2, 0.5, -0.45, 1])


def test_robustness_of_raw_pixels_is_the_size_of_the_corruption(data):
    scores = robustness.evaluate(Context(Pixels(data.image_shape), data))
    images = data.test_images / 127.5 - 1
    black = np.sqrt(np.mean((images + 1) ** 2)) * 127.5
    assert scores["holes_0.25_rmse"] == pytest.approx(0.5 * black, rel=0.02)
    assert scores["blur_0.5_rmse"] < scores["blur_1_rmse"] < scores["blur_2_rmse"]
    assert not any("probe" in name or "adversarial" in name for name in scores)


def test_robustness_probes_the_corrupted_images(data):
    """A probe that tells classes by the mean of the image is misled by black pixels."""
    bright = np.where(data.test_labels == 0, 40, 200).astype(np.uint8)
    object.__setattr__(
        data, "test_images", np.broadcast_to(bright[:, None, None, None], (24, 32, 32, 1))
    )
    object.__setattr__(data, "test_labels", (data.test_labels > 0).astype(int))
    object.__setattr__(data, "class_names", ("dark", "bright"))

    def classify(images):
        mean = np.mean(images, axis=(1, 2, 3))
        return np.stack([-mean, mean], axis=1)

    scores = robustness.evaluate(Context(Verbs(data.image_shape, classify=classify), data))
    assert scores["blur_2_probe_accuracy"] == 1
    assert scores["holes_0.1_probe_accuracy"] == 1
    assert scores["holes_0.5_probe_accuracy"] == pytest.approx(8 / 24)  # all are dark now
    assert not any("adversarial" in name for name in scores)  # it has no gradient


def linear_model(shape, kernel):
    """An autoencoder whose code is the image, with a linear probe [values, classes]."""
    size = math.prod(shape)
    encoder = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
    decoder = keras.Sequential([keras.Input((size,)), keras.layers.Reshape(shape)])
    model = Autoencoder(encoder, decoder, classes=kernel.shape[1])
    model.probe.set_weights([kernel, np.zeros(kernel.shape[1])])
    return model


def test_the_fast_gradient_of_a_linear_probe_by_hand():
    """d cross-entropy / dx = W (p - e), where p is half of the classes at x = 0."""
    kernel = np.array([[1.0, 2], [-2, -2], [0, -1], [3, 0]], np.float32)
    difference = np.array([1, 0, -1, -3]).reshape(2, 2, 1)  # of the second and the first class
    model = linear_model((2, 2, 1), kernel)
    context = Context(model, dataset_of(shape=(2, 2, 1), classes=2))
    x, label = np.zeros((2, 2, 2, 1), np.float32), np.array([0, 1])
    expected = np.stack([difference, -difference])
    np.testing.assert_array_equal(
        fast_gradient.direction(context, x, label), np.sign(expected).astype(np.float32)
    )

    def loss(x, label):
        return losses.cross_entropy(logits=model.classify(x), label=label)

    gradient = backend.compiled(model, functools.partial(backend.gradient, loss))
    np.testing.assert_allclose(gradient(x, label), expected / 2 / 2, rtol=1e-6)  # mean of two
    model.probe.set_weights([2 * kernel, np.zeros(2)])  # compiled, but of the current weights
    np.testing.assert_allclose(gradient(x, label), expected / 2, rtol=1e-6)


def test_fast_gradients_mislead_a_linear_probe_beyond_its_margin():
    data = dataset_of(shape=(8, 8, 1), classes=2)
    margin = np.where(data.test_labels == 1, 19.5, -19.5).reshape(-1, 1, 1, 1)  # 0.15 of [-1, 1]
    images = np.broadcast_to(margin + 127.5, (24, 8, 8, 1)).astype(np.uint8)
    object.__setattr__(data, "test_images", images)
    context = Context(linear_model((8, 8, 1), np.repeat([[-1.0, 1]], 64, axis=0)), data)
    scores = robustness.evaluate(context)
    for strength, accuracy in ((0.02, 1), (0.05, 1), (0.1, 0)):
        assert scores[f"adversarial_{strength}_probe_accuracy"] == accuracy
        assert scores[f"adversarial_{strength}_rmse"] == pytest.approx(255 * strength, rel=1e-4)
    assert set(scores) == set(robustness.SCORES)
    clean, first, *_ = robustness.curves(context)["adversarial"]
    assert clean == (0, 0, pytest.approx(0, abs=1e-4), 1)
    assert first.input_rmse == pytest.approx(255 * 0.02, rel=1e-4)


def test_the_figure_of_robustness_has_one_curve_a_corruption(data):
    (figure,) = robustness.draw(Context(Pixels(data.image_shape), data)).values()
    (ax,) = figure.axes
    *curves, diagonal = ax.get_lines()
    assert len(curves) == 4  # no probe, and nothing adversarial
    model = linear_model(data.image_shape, np.ones((32 * 32, 3)))
    (figure,) = robustness.draw(Context(model, data)).values()
    assert [len(ax.get_lines()) for ax in figure.axes] == [6, 5]
    for curve in curves:  # pixels are reconstructed as they are
        np.testing.assert_allclose(curve.get_ydata(), curve.get_xdata(), rtol=1e-5)
        assert max(curve.get_xdata()) <= max(diagonal.get_xdata()) <= ax.get_xlim()[1]


def test_robustness_holds_images_in_parts(data, monkeypatch):
    """And they are the same images whatever the parts are, noise aside."""
    whole = robustness.evaluate(Context(Pixels(data.image_shape), data))
    monkeypatch.setattr(robustness, "PART", 5 * 32 * 32)
    parts = robustness.evaluate(Context(Pixels(data.image_shape), data))
    assert parts == {name: pytest.approx(value, rel=0.02) for name, value in whole.items()}


# The map.


def test_a_map_has_umap_where_it_is_installed(data, monkeypatch):
    """The same codes, the library's defaults, and a fixed seed."""

    class UMAP:
        def __init__(self, **options):
            assert options == {"random_state": 0}

        def fit_transform(self, codes):
            np.testing.assert_allclose(codes.std(0), 1, rtol=1e-4)
            return codes[:, :2]

    installed = types.ModuleType("umap")
    installed.UMAP, installed.__spec__ = UMAP, ModuleSpec("umap", None)
    few = dataset_of(test=12)
    for module, dataset, tsne, titles in (
        (installed, data, True, ["t-SNE", "UMAP"]),
        (installed, data, False, []),
        (installed, few, True, ["t-SNE"]),  # fewer images than UMAP's neighbors
        (None, data, True, ["t-SNE"]),  # not installed
    ):
        monkeypatch.setitem(sys.modules, "umap", module)
        (figure,) = map.draw(Context(Pixels(dataset.image_shape), dataset), tsne=tsne).values()
        assert [ax.get_title() for ax in figure.axes][1:] == titles


# Baselines.


def test_the_pixel_baseline_is_measured_once(tmp_path, monkeypatch):
    digits = dataset_of(train=200, shape=(16, 16, 1))
    digits.train_images[:, 0, 0, 0] = 100 * digits.train_labels  # one pixel tells the class
    digits.test_images[:, 0, 0, 0] = 100 * digits.test_labels
    first = pixel_baseline.evaluate(Context(None, digits, cache=tmp_path))
    assert set(first) == {
        *("pixels_linear_accuracy_100", "pixels_linear_information_bits"),
        "pixels_neighbours_accuracy",
    }
    assert first["pixels_linear_accuracy_100"] > 0.5  # chance is a third

    def measure(context, **options):
        return {"linear_accuracy_100": 0.5}

    monkeypatch.setattr(linear, "evaluate", measure)
    monkeypatch.setattr(neighbours, "evaluate", lambda context: {"neighbours_accuracy": 0.25})
    assert pixel_baseline.evaluate(Context(None, digits, cache=tmp_path)) == first
    again = {"pixels_linear_accuracy_100": 0.5, "pixels_neighbours_accuracy": 0.25}
    assert pixel_baseline.evaluate(Context(None, digits)) == again
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert pixel_baseline.evaluate(Context(None, digits, cache=tmp_path)) == again


def test_the_untrained_baseline_is_measured_once_for_an_architecture(tmp_path):
    digits = dataset_of(train=100, shape=(16, 16, 1))

    def scores(**settings):
        settings = {"depth": 2, "latent": 2, "latent_width": 4, "model": "baseline", **settings}
        model = build_model(Config(**settings), digits.image_shape, 3)
        return untrained_baseline.evaluate(Context(model, digits, cache=tmp_path))

    first = scores()
    assert set(first) < set(untrained_baseline.SCORES)
    assert {name.split("_")[1] for name in first} == {
        *("linear", "neighbours", "clustering", "information")
    }
    assert first["untrained_clustering_n_init"] == 50
    assert scores(seed=7, lr=1.0, regularizers="mmd") == first
    assert len(list(tmp_path.iterdir())) == 1
    deeper, vae, vqvae = scores(depth=3), scores(model="vae"), scores(model="vqvae", z_log_size=3)
    assert len(list(tmp_path.iterdir())) == 4
    assert first != deeper
    assert first != vae  # its code is mu
    assert first == vqvae  # its code is the encoder's output


def test_the_untrained_baseline_is_that_of_the_initial_weights(data):
    config = Config(model="baseline", depth=2, latent=2)
    seed_weights(0)
    own = Context(build_model(config, data.image_shape, 3), data)
    expected = neighbours.evaluate(own) | clustering.evaluate(own, n_init=50)
    model = build_model(config, data.image_shape, 3)
    found = untrained_baseline.evaluate(Context(model, data))
    assert {f"untrained_{k}": v for k, v in expected.items()}.items() <= found.items()


def test_without_settings_there_is_no_untrained_baseline(data):
    for model in (Pixels(data.image_shape), linear_model(data.image_shape, np.ones((1024, 3)))):
        with pytest.raises(CannotEvaluate, match="settings"):
            untrained_baseline.evaluate(Context(model, data))
    model.config = Config(model="not_installed:Model")
    with pytest.raises(CannotEvaluate, match="not_installed"):
        untrained_baseline.evaluate(Context(model, data))


# What cannot be evaluated says why.


def evaluators(*which):
    return pytest.mark.parametrize("evaluator", which, ids=lambda e: e.__name__.split(".")[-1])


@evaluators(linear, neighbours, clustering, pixel_baseline, transitions)
def test_without_classes(evaluator):
    data = dataset_of(classes=1)
    with pytest.raises(CannotEvaluate, match="noise has no classes"):
        evaluator.evaluate(Context(Pixels(data.image_shape), data))


@evaluators(linear, neighbours, clustering)
def test_codes_that_are_not_finite(evaluator, data):
    def encode(images):
        codes = images.astype(np.float32)
        codes[3:5, 0, 0] = np.nan
        return codes

    context = Context(Verbs(data.image_shape, encode=encode), data)
    with pytest.raises(CannotEvaluate, match=r"2 of 40 codes of training images"):
        evaluator.evaluate(context)
    with pytest.raises(CannotEvaluate, match=r"2 of 24 codes of test images"):
        map.draw(context)


def test_interpolants_that_are_not_finite(data):
    def interpolate(starts, ends):
        return np.full((16, len(starts), 32, 32, 1), np.inf)

    with pytest.raises(CannotEvaluate, match=r"6 of 6 interpolated images are not finite"):
        realism.evaluate(Context(Verbs(data.image_shape, interpolate=interpolate), data))


def test_fewer_images_than_clusters():
    data = dataset_of(train=9, classes=10)
    with pytest.raises(CannotEvaluate, match=r"9 different codes of 9 training images .* 10 clu"):
        clustering.evaluate(Context(Pixels(data.image_shape), data))


def test_fewer_different_codes_than_clusters(data):
    same = Verbs(data.image_shape, encode=lambda images: np.ones((len(images), 1, 1, 4)))
    with pytest.raises(CannotEvaluate, match=r"1 different codes of 40 training images .* 3 clu"):
        clustering.evaluate(Context(same, data))
    with pytest.raises(CannotEvaluate, match="all codes are the same"):
        map.draw(Context(same, data))


def test_too_few_images_for_a_linear_probe():
    data = dataset_of(train=20, classes=3)
    with pytest.raises(CannotEvaluate, match="20 training images are too few for 3 classes"):
        linear.evaluate(Context(Pixels(data.image_shape), data))


def test_too_few_images_for_interpolation():
    data = dataset_of(test=3)
    with pytest.raises(CannotEvaluate, match="fewer than 4 test images"):
        realism.evaluate(Context(Pixels(data.image_shape), data))


def test_a_probe_of_other_classes(data):
    ten = Verbs(data.image_shape, classify=lambda images: np.zeros((len(images), 10)))
    with pytest.raises(CannotEvaluate, match="probe has 10 classes, noise has 3"):
        _ = Context(ten, data).logits


def test_images_smaller_than_the_window_of_similarity():
    data = dataset_of(shape=(8, 8, 1))
    with pytest.raises(CannotEvaluate, match="images of 8 pixels are smaller"):
        similarity.evaluate(Context(Pixels(data.image_shape), data))


def test_images_that_are_no_lines(data):
    with pytest.raises(CannotEvaluate, match="noise has no true interpolations"):
        lines.evaluate(Context(Pixels(data.image_shape), data))


# Shared work.


def test_large_images_are_shrunk_for_what_looks_at_interpolants():
    data = dataset_of(test=8, shape=(64, 64, 3))
    context = Context(Pixels(data.image_shape), data)
    assert context.paths.shape == (2, 16, 32, 32, 3)
    flat = np.full((3, 64, 64, 3), 255, np.uint8)
    np.testing.assert_allclose(shrunk(flat), np.ones((3, 32, 32, 3)), atol=1e-6)


def test_codes_are_computed_once(data):
    calls = []

    def encode(images):
        calls.append(len(images))
        return images.astype(np.float32)[:, ::8, ::8]

    context = Context(Verbs(data.image_shape, encode=encode), data)
    neighbours.evaluate(context)
    linear.evaluate(context)
    clustering.evaluate(context, n_init=1)
    map.draw(context)
    assert sorted(calls) == [24, 40]
