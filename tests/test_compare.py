"""Comparing runs, by hand."""

import csv
import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT, VERSION
from acai_tf.tools import compare
from acai_tf.tools.compare import commands, group, last_reports, read_run, summarise, table
from tests.conftest import ROOT

CONFIG = Config(dataset="digits", depth=2, report_kimg=1, total_kimg=40)


@pytest.fixture
def make(tmp_path):
    """A function that makes a run folder with given reports."""

    def make(name, accuracies, measured=None, of=(), **changes):
        of = dict(of)
        folder = tmp_path / name
        folder.mkdir()
        config = dataclasses.replace(CONFIG, run_dir=str(folder), **changes)
        (folder / "config.json").write_text(json.dumps({"config": config.to_dict()}))
        lines = [
            json.dumps({"step": 16 * k, "kimg": k, "probe_accuracy": value, "images_per_second": 7})
            for k, value in enumerate(accuracies, start=1)
        ]
        (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))
        if measured:
            about = {"model": config.model, "dataset": config.dataset, "step": 16 * len(accuracies)}
            saved = {"about": {**about, **of}, "evaluators": entry_of(measured)}
            (folder / "eval.json").write_text(json.dumps(saved))
        return str(folder)

    return make


def entry_of(scores):
    return {"some": {"scores": scores, "figures": [], "seconds": 1.0}}


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs the command in this process."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, words)])
        status = cli.run(compare.main)
        return status, *capsys.readouterr()

    return run


def summary_of(groups):
    """{(group, score): (mean, standard deviation, seeds)}"""
    rows = summarise(groups).to_dict("records")
    return {(r["group"], r["score"]): (r["mean"], r["std"], r["seeds"]) for r in rows}


def test_the_last_reports_count_by_their_median():
    records = [{"step": k, "kimg": k, "probe_accuracy": float(k)} for k in range(1, 257)]
    assert last_reports(records) == {"probe_accuracy": 246.5}  # of 237 ... 256
    assert last_reports(records[:13]) == {"probe_accuracy": 13.0}  # a 1/12.8th: one
    assert last_reports(records[:40]) == {"probe_accuracy": 39.0}  # three
    assert last_reports(records[:40], last=20) == {"probe_accuracy": 30.5}
    assert last_reports(records * 2) == {"probe_accuracy": 246.5}
    records[-1]["probe_accuracy"] = None  # undefined there
    assert last_reports(records[-3:], last=3) == {"probe_accuracy": 254.5}
    assert last_reports([]) == {}


def test_runs_that_differ_in_their_seed_are_one_group(make):
    paths = [
        make("a", [0.1, 0.5], {"clustering_accuracy": 0.5}, seed=0),
        make("b", [0.3, 0.7], {"clustering_accuracy": 0.9}, seed=1, total_kimg=80),
        make("c", [0.3, 0.8], seed=0, advweight=0.25),
        make("d", [0.1, 0.4], {"clustering_accuracy": None}, model="baseline"),
    ]
    groups = group([read_run(path) for path in paths])
    assert {name: len(runs) for name, runs in groups.items()} == {
        "acai advweight=0.5": 2,
        "acai advweight=0.25": 1,
        "baseline": 1,
    }
    both = summary_of(groups)
    assert both["acai advweight=0.5", "probe_accuracy"] == pytest.approx((0.6, 0.1, 2))
    assert both["acai advweight=0.5", "clustering_accuracy"] == pytest.approx((0.7, 0.2, 2))
    assert ("baseline", "clustering_accuracy") not in both
    text = table(summarise(groups), ["probe_accuracy"])
    assert "**80**" in text  # the best alone
    assert "60 ± 10" in text
    assert "**60" not in text


def test_runs_of_other_lengths_and_datasets_are_other_groups(make):
    paths = [
        make("a", [0.1, 0.5]),
        make("b", [0.3], seed=1),
        make("c", [0.3], dataset="lines"),
    ]
    assert set(group([read_run(path) for path in paths])) == {
        "acai digits 2 kimg",
        "acai digits 1 kimg",
        "acai lines 1 kimg",
    }


def test_the_command(make, run, tmp_path):
    paths = [
        make("a", [0.1, 0.5], seed=0),
        make("b", [0.3, 0.7], seed=1),
        make("c", [0.2, 0.9], model="baseline"),
        make("empty", []),
        tmp_path,
    ]
    out = tmp_path / "comparison"
    command = [sys.executable, "-m", "acai_tf", "compare", *map(str, paths), f"--out={out}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "tensorflow" not in result.stderr.lower()  # it is not started for this
    assert f"left out: {paths[3]} has no finished report yet" in result.stderr
    assert f"left out: {tmp_path} is not a run folder" in result.stderr
    assert (out / "table.md").read_text().strip() in result.stdout
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert [
        (row["group"], float(row["mean"]), float(row["std"]), row["seeds"]) for row in rows
    ] == [
        ("acai", pytest.approx(0.6), pytest.approx(0.1), "2"),
        ("baseline", 0.9, 0.0, "1"),
    ]
    assert rows[0]["values"] == "0.5;0.7"
    assert rows[0]["runs"] == ";".join(paths[:2])
    assert r"joint probe, \%" in (out / "table.tex").read_text()
    assert r"\textbf{90}" in (out / "table.tex").read_text()
    with Image.open(out / "curves.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 50
    assert run(*paths[:2], f"--out={out}")[0] == 0  # its own files may be replaced

    (out / "mine.txt").touch()
    for words, says in (
        ([paths[0], f"--out={out}"], "holds something else"),
        ([paths[3]], "none of these folders can be compared"),
        ([paths[0], "--scores=beauty"], "known: probe_accuracy"),
        ([paths[0], "--last=0"], "--last must be at least 1"),
        ([], "the following arguments are required: runs"),
    ):
        status, _, stderr = run(*words)
        assert status == 2, words
        assert says in stderr


def test_what_was_evaluated_without_training_is_compared_too(tmp_path):
    about = {"model": "raw pixels", "dataset": "digits"}
    entry = entry_of({"neighbours_accuracy": 0.25})
    (tmp_path / "eval.json").write_text(json.dumps({"about": about, "evaluators": entry}))
    only = summary_of(group([read_run(str(tmp_path))]))
    assert only == {("raw pixels", "neighbours_accuracy"): (0.25, 0.0, 1)}


def test_a_run_without_a_report_says_so(make):
    with pytest.raises(UsageError, match="no finished report yet"):
        read_run(make("empty", []))


@pytest.mark.parametrize("of", [{"dataset": "lines"}, {"step": 16}, {"model": "raw pixels"}])
def test_what_was_measured_of_something_else_does_not_count(make, capsys, of):
    run = read_run(make("a", [0.1, 0.5], {"clustering_accuracy": 0.5}, of=of))
    assert run.scores == {"probe_accuracy": 0.5}
    name, value = next(iter(of.items()))
    assert f"{name} {value}; left out" in capsys.readouterr().err


def test_no_group_takes_the_place_of_another(make, tmp_path):
    """A run, and an export of a model of the same settings."""
    run = make("a", [0.1, 0.5], {"clustering_accuracy": 0.25})
    export = tmp_path / "export"
    export.mkdir()
    about = {"model": "acai", "dataset": "digits", "exported": True, "step": 32, "kimg": 2}
    saved = {"about": about, "evaluators": entry_of({"clustering_accuracy": 0.75})}
    (export / "eval.json").write_text(json.dumps(saved))
    found = summary_of(group([read_run(run), read_run(str(export))]))
    assert [mean for (_, score), (mean, *_) in found.items() if score.startswith("clust")] == (
        [0.25, 0.75]
    )


def test_a_run_counts_once_and_equal_seeds_are_named(make, run):
    path, copy = make("a", [0.1, 0.5]), make("copy", [0.1, 0.7])
    _, printed, _ = run(path, f"{path}/", f"{path}/../a")
    assert "| 1 " in printed
    assert "±" not in printed
    assert f"same seed 0: {path}, {copy}" in run(path, copy)[2]


def test_a_run_and_its_own_export_count_once(make, run, tmp_path):
    path = make("a", [0.1, 0.5])
    export = tmp_path / "a" / "saved_model"
    export.mkdir()
    about = {"step": 32, "scores": {"probe_accuracy": 0.5}}
    about["config"] = json.loads((tmp_path / "a" / "config.json").read_text())["config"]
    shapes = {"image_shape": [32, 32, 1], "latent_shape": [8, 8, 2], "classes": 10, "critic": False}
    about |= {**shapes, "version": VERSION, "formats": ["saved_model"]}
    (export / ABOUT).write_text(json.dumps(about))
    _, printed, warnings = run(export, path)
    assert f"{export} is an export of {path}" in warnings
    assert "| 1 " in printed
    assert run(export)[0] == 0


def test_a_score_that_some_lack_says_of_how_many_it_is(make):
    paths = [
        make("a", [0.1, 0.5], {"clustering_accuracy": 0.5}, seed=0),
        make("b", [0.3, 0.7], seed=1),
    ]
    summary = summarise(group([read_run(path) for path in paths]))
    text = table(summary, ["probe_accuracy", "clustering_accuracy"])
    assert "60 ± 10 " in text
    assert "50 (1)" in text


def test_blank_cells_say_what_fills_them(make, tmp_path):
    runs = [
        make("a", [0.1], {"clustering_accuracy": 0.5}),
        make("b", [0.3], seed=1),
        make("c", [0.3], seed=2),
    ]
    about = {"model": "acai", "dataset": "digits", "step": 16}
    entries = {"clustering": {"left_out": "too few images"}}  # evaluating it again is no use
    saved = json.dumps({"about": about, "evaluators": entries})
    (pathlib.Path(runs[2]) / "eval.json").write_text(saved)
    (tmp_path / "pixels").mkdir()
    saved = {"about": {"model": "raw pixels", "dataset": "digits"}, "evaluators": entry_of({})}
    (tmp_path / "pixels" / "eval.json").write_text(json.dumps(saved))
    read = [read_run(path) for path in (*runs, str(tmp_path / "pixels"))]
    # No line for critic_spread: a run reports it, where it has a critic.
    assert commands(read, ["critic_spread", "clustering_accuracy"])[:1] == [
        f"acai-tf evaluate --run_dir={runs[1]} --evaluators=clustering"
    ]
    (of_pixels,) = commands(read, ["clustering_accuracy", "realism"])[3:]
    assert of_pixels.endswith("--evaluators=realism,clustering")
    assert "--raw_pixels --dataset=digits" in of_pixels


def test_a_pretrained_model_is_compared_by_its_name(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = read_run("acai/mnist-d32")
    assert model.settings["kimg"] == 1024
    assert model.scores["clustering_accuracy"] > 0.8
    recipe = {"lr": 1e-3, "probe_lr": 3e-3, "schedule": "trapezoid"}
    recipe["dtype_policy"] = "mixed_bfloat16"
    own = make("own", [0.5] * 1024, dataset="mnist", depth=16, latent=2, report_kimg=64, **recipe)
    assert len(group([model, read_run(own)])) == 1  # the same settings
    assert commands([model], ["linear_accuracy_100"]) == [
        "acai-tf evaluate --run_dir=acai/mnist-d32 --evaluators=linear"
    ]
    # What that measures is found again.
    about = {"model": "acai", "dataset": "mnist", "step": 16_384}
    saved = {"about": about, "evaluators": entry_of({"linear_accuracy_100": 0.9})}
    folder = tmp_path / "runs" / "pretrained" / "acai" / "mnist-d32"
    folder.mkdir(parents=True)
    (folder / "eval.json").write_text(json.dumps(saved))
    assert read_run("acai/mnist-d32").scores["linear_accuracy_100"] == 0.9
    with pytest.raises(UsageError, match="no pretrained model"):
        read_run("acai/mnist-d7")


@pytest.mark.parametrize("line", ['{"step": 1}', '{"step": 1, "kimg": 1, "a": "b"}', "3", "[1]"])
def test_a_line_that_is_no_report(make, run, line):
    path = make("a", [0.1, 0.5])
    metrics = pathlib.Path(path) / "metrics.jsonl"
    metrics.write_text(line + "\n" + metrics.read_text())
    status, _, stderr = run(path)
    assert status == 2
    assert "line 1, is not a report" in stderr
