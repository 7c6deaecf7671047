import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.lines import draw_lines
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS, clustering, run_evaluators
from acai_tf.evaluation import lines as line_benchmark
from acai_tf.evaluation.clustering import matched_accuracy, whiten
from acai_tf.models import build_model
from tests.reference import FOLDER

REFERENCE = np.load(FOLDER / "evaluation.npz")


# The original program's numbers.


def test_closest_lines_equal_the_originals():
    interpolations = REFERENCE["interpolations"]
    distance, angle = line_benchmark.closest_line(interpolations.reshape(-1, 32, 32, 1))
    shape = interpolations.shape[:2]
    np.testing.assert_allclose(
        distance.reshape(shape), REFERENCE["closest_distance"], rtol=1e-5, atol=1e-6
    )
    # Where two lines are equally near (mirror images), the original's choice was rounding noise:
    # the reference's line must then be as near as ours.
    other = np.abs(angle.reshape(shape) - REFERENCE["closest_angle"]) > 1e-9
    assert other.sum() <= 2
    flat = interpolations[other].reshape(-1, 1024).astype(np.float64)
    theirs = draw_lines(REFERENCE["closest_angle"][other]).reshape(-1, 1024)
    cosine = (flat * theirs).sum(1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(theirs, axis=1)
    np.testing.assert_allclose(1 - cosine, distance.reshape(shape)[other], atol=1e-12)


def test_smoothness_equals_the_originals():
    np.testing.assert_allclose(
        line_benchmark.smoothness(REFERENCE["closest_angle"]),
        REFERENCE["smoothness"],
        rtol=1e-9,
        equal_nan=True,
    )


def test_line_scores_equal_the_originals():
    scores = line_benchmark.line_scores(REFERENCE["interpolations"])
    published = [scores["line_distance"], scores["line_smoothness"]]
    np.testing.assert_allclose(published, REFERENCE["line_eval_all"], rtol=1e-5)
    defined = REFERENCE["smoothness"][~np.isnan(REFERENCE["smoothness"])]
    assert 0 < len(defined) < len(REFERENCE["smoothness"])  # the two means do differ
    assert scores["line_smoothness_mean"] == pytest.approx(defined.mean(), rel=1e-6)
    for one, expected in zip(REFERENCE["interpolations"], REFERENCE["line_eval_each"], strict=True):
        scores = line_benchmark.line_scores(one[None])
        published = [scores["line_distance"], scores["line_smoothness"]]
        np.testing.assert_allclose(published, expected, rtol=1e-5, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_matched_accuracy_equals_the_originals(case):
    accuracy = matched_accuracy(REFERENCE[f"cluster_{case}"], REFERENCE[f"target_{case}"])
    assert accuracy == pytest.approx(float(REFERENCE[f"accuracy_{case}"]))


def test_whitening_equals_the_originals():
    train, test = whiten(REFERENCE["latents_train"], REFERENCE["latents_test"])
    np.testing.assert_allclose(train @ train.T, REFERENCE["white_train_gram"], atol=1e-6)
    np.testing.assert_allclose(test @ train.T, REFERENCE["white_cross_gram"], atol=1e-6)


# By hand and by invariances.


def test_true_lines_have_no_distance_and_their_own_angle():
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    distance, angle = line_benchmark.closest_line(draw_lines(angles))
    assert distance.max() < 1e-6
    np.testing.assert_allclose(angle, angles, atol=2 * np.pi / 10_000)


def test_an_even_turn_is_perfectly_smooth_and_a_jump_is_not():
    even = np.linspace(1, 2, 16)[None]
    assert line_benchmark.smoothness(even)[0] == pytest.approx(0, abs=1e-12)
    jump = np.where(np.arange(16) < 8, 1.0, 2.0)[None]
    assert line_benchmark.smoothness(jump)[0] == pytest.approx(1 - 1 / 15)
    through_zero = (np.linspace(-0.5, 0.5, 16) % (2 * np.pi))[None]
    assert line_benchmark.smoothness(through_zero)[0] == pytest.approx(0, abs=1e-12)


def test_matched_accuracy_does_not_care_for_the_clusters_names():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 300)
    assert matched_accuracy(rng.permutation(10)[label], label) == 1
    assert matched_accuracy(np.zeros(4, int), np.array([0, 1, 1, 1])) == 0.75


# On a model.


@pytest.fixture
def lines_model(monkeypatch):
    """A model whose verbs can be replaced by Python functions, and the lines."""
    config = Config(model="baseline", depth=2, latent=2)
    model = build_model(config, (32, 32, 1), 10)

    def as_written(verb, **options):
        return lambda *x: np.asarray(getattr(model, verb)(*x, **options))

    monkeypatch.setattr(model, "compiled_verb", as_written)
    return model, load_dataset(config)


def test_evaluators_on_lines(lines_model):
    values = run_evaluators(*lines_model)
    assert set(values) == {
        *("test_rmse", "probe_accuracy"),
        *("line_distance", "line_smoothness", "line_smoothness_mean"),
    }
    assert 0 <= values["probe_accuracy"] <= 1
    assert values["test_rmse"] > 0


def test_a_perfect_reconstruction_has_no_error(lines_model, monkeypatch):
    model, dataset = lines_model
    monkeypatch.setattr(model, "reconstruct", lambda images: images)
    assert run_evaluators(model, dataset, ["reconstruction"])["test_rmse"] == 0
    monkeypatch.setattr(model, "reconstruct", lambda images: images + 1)
    wrong = run_evaluators(model, dataset, ["reconstruction"])["test_rmse"]
    assert wrong == pytest.approx(127.5)


def test_an_oracle_probe_is_always_right(lines_model, monkeypatch):
    model, dataset = lines_model
    monkeypatch.setattr(model, "classify", lambda images: np.eye(10)[dataset.test_labels])
    assert run_evaluators(model, dataset, ["probe"])["probe_accuracy"] == 1


def test_perfect_interpolation_scores_zero(lines_model, monkeypatch):
    model, dataset = lines_model

    def turn(starts, ends, steps):
        angles = np.linspace(0.1, 1.1, steps)
        return np.repeat(draw_lines(angles)[:, None], len(starts), axis=1)

    monkeypatch.setattr(model, "interpolate", turn)
    values = run_evaluators(model, dataset, ["lines"])
    assert values["line_distance"] < 1e-6
    assert values["line_smoothness"] < 2e-3  # templates are 2 pi / 10000 apart


def test_clustering_of_codes_that_are_the_classes(lines_model, monkeypatch):
    model, dataset = lines_model
    monkeypatch.setattr(clustering, "TRAIN_CODES", 5000)
    _, labels = dataset.train_once(5000)
    codes = iter([np.eye(10)[labels], np.eye(10)[dataset.test_labels]])
    monkeypatch.setattr(model, "encode", lambda images: next(codes)[:, None, None, :])
    values = run_evaluators(model, dataset, ["clustering"], {"clustering": {"n_init": 30}})
    assert values["clustering_accuracy"] == 1


def test_without_classes_there_is_no_score_that_needs_them(lines_model):
    config = Config(model="baseline", depth=2, latent=2)
    dataset = load_dataset(Config(dataset="digits"))
    object.__setattr__(dataset, "class_names", ())
    values = run_evaluators(build_model(config, (32, 32, 1), 1), dataset, EVALUATORS)
    assert set(values) == {"test_rmse"}


def test_an_unknown_evaluator_is_refused(lines_model):
    with pytest.raises(UsageError, match="known: reconstruction, probe, lines, clustering"):
        run_evaluators(*lines_model, ["beauty"])
