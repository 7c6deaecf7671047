import subprocess
import sys

import numpy as np
import pytest
from sklearn.cluster import KMeans

from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.lines import LINES, draw_lines
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import EVALUATORS, clustering, context, linear, neighbours, run_evaluators
from acai_tf.evaluation import lines as line_benchmark
from acai_tf.evaluation.clustering import best_of, matched_accuracy, whiten
from acai_tf.models import build_model
from tests.reference import FOLDER

REFERENCE = np.load(FOLDER / "evaluation.npz")


# The original program's numbers.


def test_closest_lines_equal_the_originals():
    interpolations = REFERENCE["interpolations"]
    distance, angle = LINES.nearest(interpolations)
    np.testing.assert_allclose(distance, REFERENCE["closest_distance"], rtol=1e-5, atol=1e-6)
    # Where two lines are equally near (mirror images), the original's choice was rounding noise:
    # the reference's line must then be as near as ours.
    other = np.abs(angle - REFERENCE["closest_angle"]) > 1e-9
    assert other.sum() <= 2
    flat = interpolations[other].reshape(-1, 1024).astype(np.float64)
    theirs = draw_lines(REFERENCE["closest_angle"][other]).reshape(-1, 1024)
    cosine = (flat * theirs).sum(1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(theirs, axis=1)
    np.testing.assert_allclose(1 - cosine, distance[other], atol=1e-12)


def test_smoothness_equals_the_originals():
    np.testing.assert_allclose(
        line_benchmark.smoothness(REFERENCE["closest_angle"]),
        REFERENCE["smoothness"],
        rtol=1e-9,
        equal_nan=True,
    )


def line_scores(interpolations):
    return line_benchmark.scores(*LINES.nearest(interpolations))


def test_line_scores_equal_the_originals():
    scores = line_scores(REFERENCE["interpolations"])
    published = [scores["line_distance"], scores["line_smoothness"]]
    np.testing.assert_allclose(published, REFERENCE["line_eval_all"], rtol=1e-5)
    defined = REFERENCE["smoothness"][~np.isnan(REFERENCE["smoothness"])]
    assert 0 < len(defined) < len(REFERENCE["smoothness"])  # the two means do differ
    assert scores["line_smoothness_mean"] == pytest.approx(defined.mean(), rel=1e-6)
    for one, expected in zip(REFERENCE["interpolations"], REFERENCE["line_eval_each"], strict=True):
        scores = line_scores(one[None])
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
    distance, angle = LINES.nearest(draw_lines(angles))
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

    monkeypatch.setattr(model, "compiled_method", as_written)
    return model, load_dataset(config)


def test_evaluators_on_lines(lines_model):
    values = run_evaluators(*lines_model)
    assert set(values) == {
        *("test_rmse", "test_psnr", "probe_accuracy"),
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
    monkeypatch.setattr(context, "TRAIN_CODES", 5000)
    _, labels = dataset.train_once(5000)
    codes = iter([np.eye(10)[labels], np.eye(10)[dataset.test_labels]])
    monkeypatch.setattr(model, "encode", lambda images: next(codes)[:, None, None, :])
    values = run_evaluators(model, dataset, ["clustering"], {"clustering": {"n_init": 30}})
    assert values == {
        "clustering_accuracy": 1,
        "clustering_nmi": pytest.approx(1),
        "clustering_ari": 1,
        "clustering_accuracy_unwhitened": 1,
        "clustering_n_init": 30,
    }


def test_restarts_are_those_of_one_call_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(clustering, "AT_ONCE", 5)
    codes = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    found = best_of(codes, 7, 12, seed=1)
    expected = KMeans(7, init="random", n_init=12, max_iter=1000, random_state=1).fit(codes)
    assert found.inertia_ == expected.inertia_
    np.testing.assert_array_equal(found.cluster_centers_, expected.cluster_centers_)
    assert best_of(codes, 7, 40, 1).inertia_ < best_of(codes, 7, 1, 1).inertia_


class Codes:
    """A context whose codes are given: of two classes, apart by `gap` standard deviations."""

    def __init__(self, gap, classes=2, count=4000):
        rng = np.random.default_rng(0)
        self.train_labels, labels = (rng.integers(0, classes, count) for _ in range(2))
        self.dataset = type("Data", (), {"classes": classes, "test_labels": labels})
        self.check_classes = lambda: None
        self.model = None
        self.train_codes, self.test_codes = (
            np.stack([rng.normal(gap * y), 100 + 9 * rng.normal(size=count)], 1).astype(np.float32)
            for y in (self.train_labels, labels)
        )


def test_a_linear_probe_on_two_normals():
    """Against the best there is: Phi(gap / 2), and its information."""
    from scipy.integrate import trapezoid
    from scipy.stats import norm

    gap = 2.0
    values = linear.evaluate(Codes(gap))
    for share in ("10", "100"):
        assert values[f"linear_accuracy_{share}"] == pytest.approx(norm.cdf(gap / 2), abs=0.015)
    assert values["linear_accuracy_1"] > 0.75
    assert values["linear_accuracy_1_std"] > 0
    # 1 bit less the mean entropy of p(class | code), which is logistic in gap * x.
    x = np.linspace(-12, 12, 10_001)
    density = (norm.pdf(x - gap / 2) + norm.pdf(x + gap / 2)) / 2
    p = 1 / (1 + np.exp(-gap * x))
    entropy = -(p * np.log2(p + 1e-300) + (1 - p) * np.log2(1 - p + 1e-300))
    information = 1 - trapezoid(density * entropy, x)
    assert values["linear_information_bits"] == pytest.approx(information, abs=0.03)


def test_codes_that_say_nothing_give_no_information():
    values = linear.evaluate(Codes(0.0))
    assert values["linear_accuracy_100"] == pytest.approx(0.5, abs=0.03)
    assert -0.01 < values["linear_information_bits"] < 0.005


def test_a_penalty_is_chosen_without_the_test_set(monkeypatch):
    codes = Codes(2.0)
    seen = []
    monkeypatch.setattr(
        linear, "fit", lambda train, label: seen.append(len(train)) or original(train, label)
    )
    linear.evaluate(codes, seeds=2)
    assert seen == [40, 40, 400, 400, 4000, 4000]


original = linear.fit


def test_neighbours_by_hand():
    codes = Codes(50.0)
    assert neighbours.evaluate(codes) == {"neighbours_accuracy": 1}
    codes.dataset.test_labels = 1 - codes.dataset.test_labels
    assert neighbours.evaluate(codes) == {"neighbours_accuracy": 0}


def test_without_classes_there_is_no_score_that_needs_them(lines_model):
    config = Config(model="baseline", depth=2, latent=2)
    dataset = load_dataset(Config(dataset="digits"))
    object.__setattr__(dataset, "class_names", ())
    values = run_evaluators(build_model(config, (32, 32, 1), 1), dataset, EVALUATORS)
    assert "realism" in values
    needs_labels = ("probe", "transition", "linear", "neighbours", "clustering")
    assert not [name for name in values if any(word in name for word in needs_labels)]


def test_names_of_scores_do_not_wait_for_keras():
    code = "import sys; from acai_tf import evaluation as e; e.all_scores(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"keras", "tensorflow"} & set(run.stdout.split())


def test_an_unknown_evaluator_is_refused(lines_model):
    with pytest.raises(UsageError, match="known: sheets, sentences, curves"):
        run_evaluators(*lines_model, ["beauty"])


def test_the_unwhitened_accuracy_is_of_codes_as_they_are(monkeypatch):
    """A dimension of great variance that says nothing: whitening takes its weight away."""
    codes = Codes(8.0)
    for own in (codes.train_codes, codes.test_codes):
        own[:, 1] = 100 * (own[:, 1] - 100)
    values = clustering.evaluate(subject_of(codes), n_init=5)
    assert values["clustering_accuracy"] > 0.95
    assert values["clustering_accuracy_unwhitened"] < 0.6


def subject_of(codes):
    codes.shared = {}
    return codes


def test_neighbours_are_ten_and_of_standardised_codes():
    codes = Codes(2.0)  # classes overlap; the other dimension is nine times as wide
    train, test = linear.standardise(codes.train_codes, codes.test_codes)

    def vote(k, train, test):
        near = np.linalg.norm(test[:, None] - train[None], axis=-1).argsort(axis=1)[:, :k]
        share = codes.train_labels[near].mean(1)
        return np.mean((share > 0.5) == codes.dataset.test_labels)

    few = slice(0, 400)  # of the test images: this way of counting is slow
    codes.test_codes, codes.dataset.test_labels = (
        codes.test_codes[few],
        codes.dataset.test_labels[few],
    )
    found = neighbours.evaluate(codes)["neighbours_accuracy"]
    assert found == pytest.approx(vote(10, train, test[few]), abs=1e-9)
    assert found != vote(1, train, test[few])
    assert found != vote(10, codes.train_codes, codes.test_codes)


def test_rare_classes_leave_out_only_the_fractions_that_miss_them():
    codes = Codes(3.0, count=2000)
    codes.train_labels[:] = 0
    codes.train_labels[:6] = 1
    codes.train_codes[:6, 0] += 30
    values = linear.evaluate(codes)
    assert "linear_accuracy_1" not in values
    assert "linear_accuracy_100" in values
    codes.train_labels[:] = 0
    with pytest.raises(CannotEvaluate, match="2000 training images are too few"):
        linear.evaluate(codes)
