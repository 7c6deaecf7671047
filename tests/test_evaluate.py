"""The story of an evaluation: what it writes, keeps, leaves out, and says."""

import dataclasses
import errno
import functools
import html.parser
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from acai_tf import evaluation
from acai_tf.data.dataset import from_arrays
from acai_tf.errors import AcaiError, CannotEvaluate, CannotSave, UsageError
from acai_tf.evaluation import (
    EVALUATORS,
    all_scores,
    classifier,
    clustering,
    format_score,
    linear,
    load_evaluator,
    map,
    neighbours,
    probe,
    reconstruction,
    run,
    untrained_baseline,
)
from acai_tf.evaluation.report import HEADLINES
from acai_tf.evaluation.results import open_results
from acai_tf.evaluation.run import evaluate_run
from acai_tf.models.autoencoder import Autoencoder
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import train
from tests.conftest import ROOT, tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished small run; tests work on copies of it."""
    config = tiny.__wrapped__(tmp_path_factory.mktemp("trained"))
    config = dataclasses.replace(config, total_kimg=1, model="baseline")
    train(config)
    return config


@pytest.fixture
def run_dir(trained, tmp_path):
    return str(shutil.copytree(trained.run_dir, tmp_path / "copy"))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 20)
    monkeypatch.setattr(linear, "STRENGTHS", (0.01,))
    monkeypatch.setattr(linear, "ITERATIONS", 5)
    monkeypatch.setattr(map, "CODES", 100)
    monkeypatch.setitem(untrained_baseline.MEASURED, clustering, {"n_init": 2})


def read(folder):
    return json.loads((pathlib.Path(folder) / "eval.json").read_text())


class Page(html.parser.HTMLParser):
    """What a page refers to, and whether its elements are closed."""

    def __init__(self, text):
        super().__init__()
        self.references, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "style")]
        if tag not in ("meta", "img", "br", "html"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_everything_of_a_run(run_dir, quick, capsys):
    values = evaluate_run(run_dir, n_init=2)
    saved, known = read(run_dir), all_scores()
    assert set(saved["evaluators"]) == set(EVALUATORS)
    left_out = {name for name, entry in saved["evaluators"].items() if "left_out" in entry}
    assert left_out == {"critic", "lines", "sentences", "language"}  # of a baseline, on digits
    assert saved["about"]["model"] == "baseline"
    assert saved["about"]["kimg"] == 1
    assert saved["evaluators"]["clustering"]["scores"]["clustering_n_init"] == 2
    # What was found in training is found again.
    (record,) = RunFolder(run_dir).records()
    for name in ("test_rmse", "test_psnr", "probe_accuracy"):
        assert values[name] == pytest.approx(record[name], rel=1e-5)
    # Every score is described, printed, and on the page; every figure is a picture of something.
    out = capsys.readouterr().out
    text = (pathlib.Path(run_dir) / "report.html").read_text()
    page = Page(text)
    words = " ".join(page.text)
    for name, entry in saved["evaluators"].items():
        assert set(entry.get("scores", {})) <= set(getattr(load_evaluator(name), "SCORES", {}))
        for score, value in entry.get("scores", {}).items():
            shown = known[score][0]
            assert all(text in out and text in words for text in (score, shown))
            assert value is None or format_score(value, shown) in out
        for figure in entry.get("figures", []):
            with Image.open(pathlib.Path(run_dir) / "figures" / f"{figure}.png") as image:
                assert np.ptp(np.asarray(image.convert("L"))) > 50
    assert "digits has no true interpolations" in out
    assert "digits has no true interpolations" in words
    assert page.open == []
    assert all(
        reference.startswith(("data:image/png;base64,", "#")) for reference in page.references
    )
    assert "http:" not in text  # and no letters of a picture can be that
    assert "https:" not in text
    pictures = [reference for reference in page.references if reference.startswith("data:")]
    assert len(pictures) == sum(len(e.get("figures", [])) for e in saved["evaluators"].values())
    assert set(HEADLINES) - {"line_distance", "line_smoothness"} <= set(values)
    # Tables compare with the baselines that have such a score.
    columns = re.findall(r'<th class="number">([a-z ]+)</th>', text)
    assert columns.count("raw pixels") == 3  # linear, neighbours and information
    assert columns.count("untrained") == 4  # and clustering


def counting(monkeypatch, module):
    calls = []
    evaluate = module.evaluate

    @functools.wraps(evaluate)
    def counted(context, **options):
        calls.append(options)
        return evaluate(context, **options)

    monkeypatch.setattr(module, "evaluate", counted)
    return calls


def test_what_was_measured_is_kept(run_dir, monkeypatch, trained):
    calls = counting(monkeypatch, reconstruction)
    first = evaluate_run(run_dir, ["reconstruction"])
    both = evaluate_run(run_dir, ["probe", "reconstruction"])
    assert len(calls) == 1
    assert both == {**first, "probe_accuracy": both["probe_accuracy"]}
    assert evaluate_run(run_dir, ["probe"]) == both  # all that is known of these weights
    evaluate_run(run_dir, ["reconstruction"], again=True)
    assert len(calls) == 2
    # Results of other weights are not reused, and not lost.
    train(dataclasses.replace(trained, run_dir=run_dir, total_kimg=2))
    assert len(calls) == 3  # at its report
    later = evaluate_run(run_dir, ["reconstruction"])
    assert len(calls) == 4
    assert later["test_rmse"] != first["test_rmse"]
    assert "probe_accuracy" not in later
    (aside,) = (pathlib.Path(run_dir) / "evaluations").iterdir()
    assert read(aside)["evaluators"]["reconstruction"]["scores"]["test_rmse"] == first["test_rmse"]


def test_other_options_and_other_versions_are_measured_anew(run_dir, monkeypatch):
    calls = counting(monkeypatch, clustering)
    evaluate_run(run_dir, ["clustering"], n_init=1)
    evaluate_run(run_dir, ["clustering"], n_init=1)
    evaluate_run(run_dir, ["clustering"], n_init=2)
    evaluate_run(run_dir, ["clustering"], n_init=2, seed=1)
    assert calls == [{"n_init": 1, "seed": 0}, {"n_init": 2, "seed": 0}, {"n_init": 2, "seed": 1}]
    monkeypatch.setattr("acai_tf.__version__", "99")
    evaluate_run(run_dir, ["clustering"], n_init=2, seed=1)
    (pathlib.Path(run_dir) / "figures" / "clusters.png").unlink()
    evaluate_run(run_dir, ["clustering"], n_init=2, seed=1)
    assert len(calls) == 5


def test_quick_leaves_out_what_is_slow_and_reuses_what_is_better(run_dir, monkeypatch, capsys):
    kinds = ("sheets", "transitions", "map", "pixel_baseline", "untrained_baseline", "clustering")
    monkeypatch.setattr(run, "EVALUATORS", dict.fromkeys(kinds))
    monkeypatch.setattr(run, "N_INIT", 3)
    monkeypatch.setattr(run, "QUICK_N_INIT", 1)
    calls = counting(monkeypatch, clustering)
    evaluate_run(run_dir, quick=True)
    measured = read(run_dir)["evaluators"]
    assert set(measured) == {"sheets", "map", "clustering"}
    assert measured["map"]["options"] == {"tsne": False, "umap": False}
    assert "about" in capsys.readouterr().out.partition("sheets")[0]
    evaluate_run(run_dir, ["clustering"])
    evaluate_run(run_dir, ["clustering"], quick=True)  # is there already, with more restarts
    assert [options["n_init"] for options in calls] == [1, 3]


def test_results_of_other_images_are_not_mixed(run_dir, quick):
    other = f"{__name__}:noise"
    first = evaluate_run(run_dir, ["neighbours", "map"])
    second = evaluate_run(run_dir, ["neighbours", "map"], dataset=other)
    assert second["neighbours_accuracy"] != first["neighbours_accuracy"]
    assert evaluate_run(run_dir, ["neighbours", "map"]) == first


def test_another_run_with_the_same_step_is_another_subject(run_dir, trained, tmp_path):
    other = dataclasses.replace(trained, run_dir=str(tmp_path / "other"), lr=1e-2)
    train(other)
    out = str(tmp_path / "shared")
    first = evaluate_run(run_dir, ["reconstruction"], out=out)
    second = evaluate_run(other.run_dir, ["reconstruction"], out=out)
    (record,) = RunFolder(other.run_dir).records()
    assert second["test_rmse"] == pytest.approx(record["test_rmse"], rel=1e-5)
    assert second["test_rmse"] != first["test_rmse"]


def test_a_failure_takes_nothing_that_was_measured(run_dir, monkeypatch):
    evaluate_run(run_dir, ["clustering"], n_init=2)

    def broken(context, **options):
        raise MemoryError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(clustering, "evaluate", broken)
        with pytest.raises(AcaiError, match="clustering failed"):
            evaluate_run(run_dir, ["clustering"], n_init=3)
    assert read(run_dir)["evaluators"]["clustering"]["scores"]["clustering_n_init"] == 2


def test_a_figure_that_fails_costs_only_itself(run_dir, monkeypatch):
    def broken(context):
        raise ValueError("no such font")

    with monkeypatch.context() as patch:
        patch.setattr(probe, "draw", broken)
        with pytest.raises(AcaiError, match="probe failed"):
            evaluate_run(run_dir, ["probe"])
    entry = read(run_dir)["evaluators"]["probe"]
    assert entry["figures"] == []
    assert "probe_accuracy" in entry["scores"]


def test_figures_that_were_taken_away_are_missing_from_the_page_alone(run_dir):
    evaluate_run(run_dir, ["probe", "reconstruction"])
    shutil.rmtree(pathlib.Path(run_dir) / "figures")
    evaluate_run(run_dir, ["reconstruction"])
    assert "data:image" not in (pathlib.Path(run_dir) / "report.html").read_text()
    evaluate_run(run_dir, ["probe"])
    assert "data:image" in (pathlib.Path(run_dir) / "report.html").read_text()


def test_an_interrupted_evaluation_goes_on(run_dir, monkeypatch):
    calls = counting(monkeypatch, reconstruction)

    def interrupted(context):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(probe, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate_run(run_dir, ["reconstruction", "probe"])
    assert set(read(run_dir)["evaluators"]) == {"reconstruction"}
    values = evaluate_run(run_dir, ["reconstruction", "probe"])
    assert len(calls) == 1
    assert {"test_rmse", "probe_accuracy"} <= set(values)


def test_one_that_fails_does_not_take_the_others_along(run_dir, monkeypatch, capsys):
    def broken(context):
        raise RuntimeError("a defect of ours")

    with monkeypatch.context() as patch:
        patch.setattr(probe, "evaluate", broken)
        with pytest.raises(AcaiError, match="probe failed") as error:
            evaluate_run(run_dir, ["probe", "reconstruction"])
    assert error.value.exit_status == 1
    saved = read(run_dir)["evaluators"]
    assert saved["probe"]["left_out"] == "it failed: a defect of ours"
    assert "test_rmse" in saved["reconstruction"]["scores"]
    assert "Traceback" in capsys.readouterr().err
    assert "probe_accuracy" in evaluate_run(run_dir, ["probe"])  # not kept


def test_codes_that_are_not_finite_are_named_and_the_rest_goes_on(run_dir, monkeypatch, capsys):
    compiled = Autoencoder.compiled_method

    def broken(self, verb, **options):
        if verb == "encode":
            return lambda images: np.full((len(images), 8, 8, 2), np.nan)
        return compiled(self, verb, **options)

    monkeypatch.setattr(Autoencoder, "compiled_method", broken)
    values = evaluate_run(run_dir, ["linear", "neighbours", "clustering", "map", "probe"])
    assert set(values) == {"step", "probe_accuracy"}
    out = capsys.readouterr().out
    assert out.count("codes of training images are not finite") == 3
    assert "360 of 360 codes of test images are not finite" in out


def test_an_undefined_score_is_null_and_said_to_be_undefined(run_dir, monkeypatch, capsys):
    monkeypatch.setattr(probe, "evaluate", lambda context: {"probe_accuracy": float("nan")})
    values = evaluate_run(run_dir, ["probe"])
    assert np.isnan(values["probe_accuracy"])
    assert read(run_dir)["evaluators"]["probe"]["scores"] == {"probe_accuracy": None}
    assert "undefined" in capsys.readouterr().out
    assert "undefined" in (pathlib.Path(run_dir) / "report.html").read_text()
    assert np.isnan(evaluate_run(run_dir, ["probe"])["probe_accuracy"])  # kept as it is


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"step": 3, "test_rmse": 1.5}', '{"about": 1}'),
        *('{"about": {}, "evaluators": {"probe": 3}}', '{"about": {}, "evaluators": []}'),
        '{"about": {}, "evaluators": {"a": {"scores": {"b": "c"}, "figures": [], "seconds": 1}}}',
    ],
)
def test_an_eval_json_of_another_kind_is_put_aside(tmp_path, content, capsys):
    (tmp_path / "eval.json").write_text(content)
    with open_results(tmp_path, {"step": 1}) as results:
        assert results.evaluators == {}
        results.add("probe", {"left_out": "no labels"})
    assert set(read(tmp_path)["evaluators"]) == {"probe"}
    (aside,) = (tmp_path / "evaluations").glob("*/eval.json")
    assert aside.read_text() == content
    assert "damaged" in capsys.readouterr().out


def test_raw_pixels_are_the_baseline(run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = evaluate_run(dataset="digits", raw_pixels=True, evaluators=["neighbours", "probe"])
    assert values["neighbours_accuracy"] > 0.8
    saved = read("runs/digits/pixels")
    assert saved["about"]["model"] == "raw pixels"
    assert saved["evaluators"]["probe"] == {"left_out": "raw pixels have no jointly trained probe"}
    again = evaluate_run(run_dir, raw_pixels=True, evaluators=["neighbours"], out="of-the-run")
    assert again["neighbours_accuracy"] == values["neighbours_accuracy"]
    assert not (pathlib.Path(run_dir) / "eval.json").exists()
    with pytest.raises(UsageError, match="--raw_pixels needs --dataset"):
        evaluate_run(raw_pixels=True)


def noise(config, channels=1):
    """Other images than those of `trained`, of three classes."""
    rng, labels = np.random.default_rng(0), np.arange(40) % 3
    train, test = rng.integers(0, 256, (2, 40, 16, 16, channels), np.uint8)
    return train, labels, test, labels


def hostile(config):
    """Class names come from folders that others may have named."""
    dataset = from_arrays(noise(config), "hostile")
    names = ("<script>alert(1)</script>", "$x^$\\frac{", "_b & c")
    object.__setattr__(dataset, "class_names", names)
    return dataset


def test_on_other_images_than_in_training(run_dir, tmp_path, capsys):
    dataset = f"{__name__}:noise"
    out = str(tmp_path / "out")
    values = evaluate_run(
        run_dir, ["reconstruction", "probe", "neighbours"], dataset=dataset, out=out
    )
    assert "neighbours_accuracy" in values
    assert "the model's probe has 10 classes" in capsys.readouterr().out
    assert not (pathlib.Path(run_dir) / "eval.json").exists()
    train_images, labels, test_images, _ = noise(None, channels=3)
    labels = {"train_labels": labels, "test_labels": labels}
    dataset = f"npz:{tmp_path}/other.npz"  # which does not read the run's --image_size
    for channels in (1, 3):
        images = {"train_images": train_images, "test_images": test_images}
        images = {name: array[..., :channels] for name, array in images.items()}
        np.savez(tmp_path / "other.npz", **images, **labels)
        if channels == 1:
            assert evaluate_run(run_dir, ["reconstruction"], dataset=dataset, out=out)
    with pytest.raises(UsageError, match=r"takes images of 16x16x1, npz:.* has 16x16x3"):
        evaluate_run(run_dir, dataset=dataset, out=out)


def test_hostile_names_are_only_names(run_dir, quick):
    dataset = f"{__name__}:hostile"
    evaluate_run(run_dir, ["map", "clustering", "transitions"], dataset=dataset, n_init=1)
    text = (pathlib.Path(run_dir) / "report.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_folder_that_cannot_be_written(run_dir):
    with pytest.raises(UsageError, match="--out"):
        evaluate_run(run_dir, ["probe"], out="/dev/null/x")


def test_a_folder_or_file_in_the_way_is_bad_input(run_dir):
    folder = pathlib.Path(run_dir)
    evaluate_run(run_dir, ["probe"])
    for name in ("report.html", ".report.html.partial", "figures/confusion.png", "figures"):
        path = folder / name
        kept = path.rename(folder / "kept") if path.exists() else None
        path.touch() if name == "figures" else path.mkdir()
        with pytest.raises(UsageError, match=name):
            evaluate_run(run_dir, ["probe"])
        path.unlink() if name == "figures" else path.rmdir()
        if kept:
            kept.rename(path)


def test_a_full_disk_is_said_to_be_full(tmp_path):
    with pytest.raises(CannotSave) as error, open_results(tmp_path, {}):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.exit_status == 74


@pytest.mark.parametrize("name", EVALUATORS)
def test_nothing_is_missing_of_an_evaluator(name):
    module = load_evaluator(name)
    assert module.__doc__
    assert any(hasattr(module, part) for part in ("evaluate", "draw", "write"))
    if hasattr(module, "evaluate"):
        assert module.evaluate.__doc__
        assert module.SCORES
        assert {better for _, better in module.SCORES.values()} <= {"higher", "lower", ""}
    guide = (ROOT / "docs/evaluation.md").read_text()
    table = guide[guide.index("| `--evaluators` |") :].partition("\n\n")[0]
    assert f"| `{name}` |" in table


def test_the_old_name_of_the_pixel_baseline_is_deprecated(capsys):
    assert evaluation.check_names(["floor", "probe"]) == ["pixel_baseline", "probe"]
    assert "deprecated" in capsys.readouterr().err


def test_a_score_is_shown_in_the_unit_that_its_name_ends_with():
    known = all_scores()
    assert format_score(0.98765, known["linear_accuracy_100"][0]) == "98.77"
    assert format_score(0.0012, known["line_distance"][0]) == "1.2"
    assert format_score(3.0, known["test_rmse"][0]) == "3"


def test_at_reports_what_does_not_apply_is_passed_over(monkeypatch):
    def none(context):
        raise CannotEvaluate("not here")

    monkeypatch.setattr(neighbours, "evaluate", none)
    assert evaluation.run_evaluators(None, None, ["neighbours", "map"]) == {}
