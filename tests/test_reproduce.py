"""Reproducing the paper's tables: rows, runs, numbers by hand."""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from acai_tf import cli
from acai_tf.config import KIMG
from acai_tf.errors import Stopped, UsageError
from acai_tf.evaluation import all_scores
from acai_tf.models import MODELS
from acai_tf.tools.reproduce import command, tables
from acai_tf.tools.reproduce import rows as grid
from acai_tf.tools.reproduce.published import TABLES, Published
from acai_tf.tools.reproduce.tables import measured, obtained
from acai_tf.training.run_folder import RunFolder
from tests.conftest import ROOT

SUCCESSORS = {"lrae", "miae", "midrae"}
LINES, PROBE, CLUSTERING = TABLES["lines"], TABLES["probe"], TABLES["clustering"]


def rows(table, tmp_path, **choice):
    return grid.rows(table, tmp_path / "runs", **choice)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs the command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["reproduce", *map(str, words)])
        status = cli.run(command.main)
        return status, *capsys.readouterr()

    return run


def reports(config, numbers, speed=100.0, **measured):
    """Write a run folder whose i-th report has these scores."""
    folder = RunFolder(config.run_dir)
    folder.path.mkdir(parents=True)
    saved = dataclasses.replace(config, data_dir="/somebody/data")
    about = {"config": saved.to_dict(), "images": "x", "class_names": [], "versions": {}}
    (folder.path / "config.json").write_text(json.dumps(about))
    for i, scores in enumerate(numbers, start=1):
        kimg = i * config.report_kimg
        step = kimg * KIMG // config.batch
        folder.append({"step": step, "kimg": kimg, **scores, "images_per_second": speed})
    if measured:
        entry = {"scores": measured, "figures": [], "options": {}, "seconds": 1.0}
        saved = {"about": {"kimg": kimg}, "evaluators": {"clustering": entry}}
        (folder.path / "eval.json").write_text(json.dumps(saved))


# Rows.


def test_every_published_row_is_a_run_at_the_published_settings(tmp_path):
    depths = {"lines": 16, "mnist": 16, "svhn": 64, "cifar10": 64}
    for table in TABLES.values():
        found = rows(table, tmp_path, seeds=2)
        later = set() if table is LINES else SUCCESSORS
        assert {row.model for row in found} == set(MODELS) - SUCCESSORS | later
        models = 8 + len(later)  # the VQ-VAE has two starts
        assert len(found) == models * len(table.cells)
        for row in found:
            assert len(row.published) == len(table.scores)
            for seed, config in enumerate(row.configs):
                wide = (row.dataset, row.model) == ("lines", "vqvae")  # as the original ran it
                assert config.code_size == (256 if wide else row.size)
                assert config.depth == depths[row.dataset]
                assert (config.total_kimg, config.report_kimg) == (16384, 64)
                assert (config.batch, config.lr, config.seed) == (64, 1e-4, seed)
                kept = 0.75 if (row.dataset, row.model) == ("cifar10", "dropout") else 0.5
                assert config.dropout == kept
    dirs = [c.run_dir for t in TABLES.values() for r in rows(t, tmp_path) for c in r.configs]
    assert len(set(dirs)) == 5 * (8 + 11 * 6)  # clustering shares its runs with the probe


def test_midraes_settings_are_the_published_ones(tmp_path):
    found = rows(PROBE, tmp_path, seeds=1, models=["midrae"])
    settings = {(row.dataset, row.size): row.configs[0] for row in found}
    for cell, noise, fake in (("svhn", 32), 0.1, 0.005), (("svhn", 256), 0.5, 0.05):
        assert (settings[cell].advnoise, settings[cell].advfake) == (noise, fake)
        assert settings[cell].wgt_mmd == 1
    given = grid.read_settings(["--advfake=0.1"])
    row = rows(
        PROBE, tmp_path, seeds=1, given=given, sizes=[32], datasets=["svhn"], models=["midrae"]
    )[0]
    assert row.configs[0].advfake == 0.1
    assert "advfake0.1" in row.configs[0].run_dir


def test_run_folders_are_those_of_train_py(tmp_path):
    from acai_tf.training.run_folder import default_run_dir

    for row in rows(PROBE, pathlib.Path("."), seeds=1, models=["acai", "vae"]):
        assert row.configs[0].run_dir == default_run_dir(row.configs[0])


def test_rows_are_chosen_and_shortened(tmp_path):
    (row,) = rows(PROBE, tmp_path, seeds=3, scale=1 / 16, datasets=["mnist"], models=["acai"],
                  sizes=[256])  # fmt: skip
    assert [config.total_kimg for config in row.configs] == [1024] * 3
    assert row.shown_command(2) == (
        "acai-tf train --dataset=mnist --model=acai --latent=16 --total_kimg=1024 --seed=2"
    )
    assert row.configs[2].run_dir.endswith("runs/mnist/acai-d256-seed2")
    (row, *_) = rows(LINES, tmp_path, scale=1e-9)
    assert row.kimg == 64  # a report at least
    (row, *_) = rows(LINES, tmp_path, scale=1e-9, given={"report_kimg": 2})
    assert row.kimg == 2


def test_other_settings_reach_those_that_read_them(tmp_path):
    given = grid.read_settings(["--lr=1e-3", "--adversary_lr", ".01", "--data_dir=/d", "--nofused"])
    found = {row.model: row for row in rows(LINES, tmp_path, seeds=1, given=given)}
    assert found["aae"].configs[0].adversary_lr == 0.01
    assert found["aae"].configs[0].run_dir.endswith("aae-d64-lr0.001-adversary_lr0.01-seed0")
    acai = found["acai"]
    assert (acai.configs[0].lr, acai.configs[0].data_dir) == (1e-3, "/d")
    assert acai.configs[0].fused is False
    assert acai.configs[0].run_dir.endswith("acai-d64-lr0.001-seed0")
    assert "--data_dir=/d" in acai.command(0)
    assert "/d" not in acai.shown_command(0)
    assert "--lr=0.001" in acai.shown_command(0)
    assert tables.table_name("lines", [acai], 1000) == "lines-16384kimg-lr0.001"
    both = [acai, found["aae"]]
    assert tables.table_name("x", both, 7) == "x-16384kimg-lr0.001-adversary_lr0.01-n_init7"


def test_one_start_of_the_codebook_alone_where_it_is_given(tmp_path):
    both = rows(LINES, tmp_path, seeds=1, models=["vqvae"])
    assert [row.configs[0].zero_debias for row in both] == [False, True]
    assert both[0].configs[0].run_dir != both[1].configs[0].run_dir
    given = grid.read_settings(["--nozero_debias"])
    (one,) = rows(LINES, tmp_path, seeds=1, models=["vqvae"], given=given)
    assert not one.configs[0].zero_debias


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"datasets": ["mnist"]}, "no such row; this table has lines 64, each with baseline"),
        ({"scale": 0.0}, "--scale must be above 0 and at most 1, got 0"),
        ({"scale": 1.5}, "--scale must be above 0"),
        ({"given": {"noise": 2.0}, "models": ["acai"]}, "no row of these reads --noise"),
        ({"given": {"report_kimg": 64, "batch": 60}}, "--batch=60 does not divide"),
    ],
)
def test_rows_that_are_none_are_refused(tmp_path, choice, message):
    with pytest.raises(UsageError, match=message):
        rows(LINES, tmp_path, **choice)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table=lines", "--seed=3"], "--seed is set by the table"),
        (["--table=lines", "--frobnicate"], "Unknown command line flag 'frobnicate'"),
        (["--table=lines", "--lr=fast"], "--lr"),
        (["--table=lines", "--models=acai,gan"], "unknown model 'gan'; known: baseline"),
        (["--table=4"], "invalid choice: '4'"),
        (["--table=lines", "--scale=1/0"], "'1/0' is not a number"),
        (["--table=lines", "--scale=1e999"], "--scale"),
        (["--table=lines", "--report_kimg=0"], "--report_kimg"),
        (["--table=lines", "--runs_dir=~nobodys/x"], "~nobodys/x"),
        (["--table=probe", "--sizes=big"], "--sizes"),
        (["--table=lines", "--seeds=0"], "--seeds must be at least 1"),
        ([], "--table"),
    ],
)
def test_bad_options_are_one_line(words, message, run, tmp_path):
    status, _, stderr = run(*words)
    assert status == 2
    assert message in stderr
    assert len(stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_tables_and_their_commands_can_be_listed(run, tmp_path):
    _, printed, _ = run("--list")
    assert [line.split(":")[0] for line in printed.splitlines()] == [f"--table={t}" for t in TABLES]
    words = ("--table=lines", "--models=acai,vae", "--seeds=2", "--scale=1/16", "--list")
    assert run(*words)[1].splitlines() == [
        f"acai-tf train --dataset=lines --model={model} --total_kimg=1024 --seed={seed}"
        for model in ("vae", "acai")
        for seed in (0, 1)
    ]
    assert not list(tmp_path.iterdir())


def test_a_recipe_stands_for_settings_and_rows(run, tmp_path):
    status, printed, _ = run("--recipe=quick", "--no_train", "--runs_dir=runs", "--out=out")
    assert status == 0
    shown = [line for line in printed.splitlines() if line.startswith("acai-tf reproduce")]
    assert shown == [f"acai-tf reproduce --table={table} --recipe=quick" for table in TABLES]
    status, printed, _ = run("--recipe=quick", "--table=lines", "--list", "--lr=0.01")
    commands = printed.splitlines()
    assert {model: sum(f"--model={model} " in c for c in commands) for model in MODELS} == {
        **dict.fromkeys(MODELS, 1), **dict.fromkeys(SUCCESSORS, 0),
        "acai": 5, "baseline": 5, "vqvae": 2,  # the VQ-VAE has two starts
    }  # fmt: skip
    for command_line in commands:
        assert {"--lr=0.01", "--schedule=trapezoid", "--total_kimg=1024"} <= set(
            command_line.split()
        )
    assert "mnist" not in run("--recipe=quick", "--datasets=lines", "--seeds=1", "--list")[1]
    listed = run("--recipe=quick", "--sizes=32", "--list")[1].splitlines()
    assert len(listed) == len(set(listed)) == 5 + 5 + 6  # of MNIST; two tables share them
    status, _, stderr = run("--recipe=quick", "--datasets=none")
    assert (status, "no such row" in stderr) == (2, True)
    for words in ("--scale=1",), ("--lr=0.0001",), ("--seeds=1", "--schedule=constant"):
        printed = run("--recipe=quick", "--table=probe", "--no_train", *words)[1]
        assert f"acai-tf reproduce --table=probe --recipe=quick {' '.join(words)}\n" in printed


def test_a_run_folder_of_another_configuration_is_refused_before_anything_runs(run, tmp_path):
    (row,) = rows(LINES, tmp_path, seeds=1, models=["acai"])
    reports(dataclasses.replace(row.configs[0], lr=0.5), [{"line_distance": 1.0}])
    status, _, stderr = run("--table=lines", "--seeds=1")
    assert status == 2
    assert "lr is 0.5 there, 0.0001 here" in stderr
    assert not (tmp_path / "runs" / "logs").exists()


# Numbers.


def test_some_of_the_numbers_as_printed():
    assert LINES.cells["lines", 64]["acai"] == (Published(0.24, 0.01), Published(0.10, 0.01))
    assert LINES.cells["lines", 64]["vqvae"] == (Published(5.41, 0.49), Published(0.77, 0.02))
    assert PROBE.cells["mnist", 32]["acai"] == (Published(98.25, 0.11),)
    assert PROBE.cells["svhn", 256]["vae"] == (Published(66.30, 1.06),)
    assert PROBE.cells["cifar10", 1024]["vqvae"] == (Published(16.22, 12.44),)
    assert PROBE.cells["svhn", 32]["midrae"] == (Published(92.28, 0.62),)
    assert CLUSTERING.cells["svhn", 256]["miae"] == (Published(38.28),)
    assert CLUSTERING.cells["svhn", 256]["denoising"] == (Published(31.49),)

    def sums(models):
        return {
            name: round(
                sum(p.mean for c in t.cells.values() for m in models & set(c) for p in c[m]), 2
            )
            for name, t in TABLES.items()
        }

    assert sums(set(MODELS) - SUCCESSORS) == {
        "lines": 27.40,
        "probe": 2519.28,
        "clustering": 1377.88,
    }
    assert sums(SUCCESSORS) == {"lines": 0, "probe": 1424.06, "clustering": 824.40}
    stds = sum(p.std for c in PROBE.cells.values() for row in c.values() for p in row)
    assert stds == pytest.approx(64.64)
    for table in TABLES.values():
        assert {all_scores()[score.name][1] for score in table.scores} <= {"higher", "lower"}


def test_what_was_given_as_published_makes_no_other_run(tmp_path):
    given = grid.read_settings(["--lr=1e-4", "--batch=64", "--report_kimg=64"])
    (row,) = rows(LINES, tmp_path, seeds=1, models=["acai"], given=given)
    assert row.configs[0].run_dir.endswith("lines/acai-d64-seed0")
    assert tables.table_name("lines", [row], 1000) == "lines-16384kimg"


def test_what_reports_and_evaluate_py_both_measure_counts_by_the_reports(tmp_path):
    (row,) = rows(LINES, tmp_path, seeds=1, scale=1 / 64, models=["acai"])
    scores = [{"line_distance": 0.5, "line_smoothness": 0.25}] * 4
    reports(row.configs[0], scores, line_distance=0.125, clustering_accuracy=0.75)
    columns = (*LINES.scores, *CLUSTERING.scores)
    assert obtained(row, columns, tmp_path).scores[0] == [500.0, 0.25, 75.0]


def test_results_put_aside_by_a_longer_run_still_count(tmp_path):
    (row,) = rows(CLUSTERING, tmp_path, seeds=1, scale=1 / 256, datasets=["mnist"],
                  models=["acai"], sizes=[32])  # fmt: skip
    reports(row.configs[0], [{"probe_accuracy": 0.5}], clustering_accuracy=0.75)
    folder = pathlib.Path(row.configs[0].run_dir)
    aside = folder / "evaluations" / "01234567"
    aside.mkdir(parents=True)
    (folder / "eval.json").rename(aside / "eval.json")
    assert measured(folder, 64) == {"clustering_accuracy": 0.75}
    assert measured(folder, 128) == {}


def test_a_row_is_the_median_of_its_last_reports(tmp_path):
    (row,) = rows(CLUSTERING, tmp_path, seeds=4, scale=1 / 64, datasets=["mnist"],
                  models=["acai"], sizes=[32])  # fmt: skip
    accuracy = [{"probe_accuracy": value} for value in (0.1, 0.2, 0.3, 0.5, 0.9)]
    reports(row.configs[0], accuracy[:4], clustering_accuracy=0.75, speed=50)
    reports(row.configs[1], accuracy, clustering_accuracy=0.85)  # longer: measured too late
    reports(row.configs[2], accuracy[:2])
    found = obtained(row, (*CLUSTERING.scores, *PROBE.scores), tmp_path)
    assert found.scores[0] == [75.0, 50.0]
    assert found.values(0) == [75.0]
    assert found.values(1) == [50.0, 50.0]
    assert [len(records) for records in found.unfinished] == [2]
    assert found.speeds == [50.0, 100.0]
    assert [records[-1]["kimg"] for records in found.reports] == [256, 256]
    own = pathlib.Path(row.configs[0].run_dir)
    assert measured(own, 256, n_init=1000) == {}  # of how many restarts it does not say


def test_the_last_twenty_of_256_count(tmp_path):
    (row,) = rows(LINES, tmp_path, seeds=1, models=["vae"])
    reports(row.configs[0], [{"line_distance": float(i)} for i in range(256)])
    assert obtained(row, LINES.scores[:1], tmp_path).scores[0] == [245_500.0]  # of 236 to 255


@pytest.mark.parametrize(
    ("values", "number", "better", "behind"),
    [
        ([94.0, 96.0], Published(95.5, 0.1), "higher", False),  # off by .5, the spread is 1
        ([94.0, 94.2], Published(95.5, 0.1), "higher", True),
        ([94.0], Published(95.5, 2.0), "higher", False),
        ([94.0], Published(93.0), "higher", False),
        ([0.3], Published(0.24, 0.01), "lower", True),
        ([0.2], Published(0.24, 0.01), "lower", False),
    ],
)
def test_behind_means_by_more_than_the_spread(values, number, better, behind):
    assert tables.behind(values, number, better) == behind


def test_a_table_says_what_was_obtained_and_how(tmp_path):
    given = grid.read_settings(["--lr=1e-3", "--data_dir=/somebody/data"])
    choice = {"scale": 1 / 128, "given": given, "models": ["acai", "aae"]}
    found = rows(LINES, tmp_path, seeds=2, **choice)
    aae, acai = found
    for seed, (distance, smoothness) in enumerate([(2e-4, 0.12), (4e-4, 0.14)]):
        last = {"line_distance": distance, "line_smoothness": smoothness}
        reports(acai.configs[seed], [{"line_distance": 1.0, "line_smoothness": 1.0}, last])
    reports(aae.configs[0], [{"line_distance": 0.003, "line_smoothness": None}] * 2)
    reports(aae.configs[1], [{"line_distance": 0.003, "line_smoothness": None}])
    (pathlib.Path(aae.configs[1].run_dir) / "eval.json").write_bytes(b"\xff")  # damaged
    out = tmp_path / "results"
    read = [obtained(row, LINES.scores, out / tables.KEPT) for row in found]
    file = tables.write(out, "lines", LINES, read, ["--table=lines", "--scale=1/128"])
    text = file.read_text()
    assert "128 kimg a run, 1/128 of the published length (--scale=1/128)" in text
    assert "acai-tf reproduce --table=lines --scale=1/128" in text
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    cells = next(line for line in lines if line[2:3] == ["acai"])
    assert cells[3:] == (
        ["0.24 ± 0.01", "0.30 ± 0.10", "**+0.06**", "0.10 ± 0.01", "0.13 ± 0.01", "+0.03"]
        + ["2", "100"]
    )
    cells = next(line for line in lines if line[2:3] == ["aae"])
    assert cells[3:8] == ["3.26 ± 0.19", "3.00", "**-0.26**", "0.14 ± 0.02", ""]
    assert cells[9:] == ["1 (1 unfinished)", "100"]
    assert f"\n{acai.shown_command(0)}\n" in text
    assert (out / "lines.png").read_bytes().startswith(b"\x89PNG")
    # The runs behind it are kept, without their paths.
    kept = out / "runs" / "lines" / "acai-d64-lr0.001-seed1"
    assert RunFolder(kept).config() == dataclasses.replace(
        acai.configs[1], data_dir="", run_dir="", cache_dir=""
    )
    assert len(RunFolder(kept).records()) == 2
    assert "somebody" not in "".join(p.read_text() for p in out.rglob("*.json*")) + text
    shutil.rmtree(tmp_path / "runs")  # a table can be made of what was kept alone
    assert [obtained(row, LINES.scores, out / tables.KEPT).values(0) for row in found] == [
        pytest.approx([3.0]),
        pytest.approx([0.2, 0.4]),
    ]


def test_earlier_results_stay_in_a_table(run, tmp_path):
    words = ["--table=probe", "--scale=1/256", "--no_train"]
    choice = {"scale": 1 / 256, "datasets": ["mnist"], "models": ["acai"]}
    small, large = rows(PROBE, tmp_path, seeds=2, **choice)
    for row, accuracy in ((small, 0.5), (large, 0.75)):
        for config in row.configs:
            reports(config, [{"probe_accuracy": accuracy}])
    other = rows(PROBE, tmp_path, seeds=1, scale=1 / 256, datasets=["svhn"], models=["acai"])[0]
    reports(dataclasses.replace(other.configs[0], lr=0.5), [{"probe_accuracy": 1.0}])

    def numbers(*choice):
        status, _, stderr = run(*words, *choice)
        assert status == 0, stderr
        (file,) = (tmp_path / "results").glob("*.md")
        cells = [line.split("|")[1:-1] for line in file.read_text().splitlines()]
        return {
            tuple(cell.strip() for cell in line[:3]): (line[4].strip(), line[6].strip())
            for line in cells
            if len(line) == 8 and line[0].strip() in ("mnist", "svhn")
        }

    first = numbers("--datasets=mnist", "--sizes=32", "--models=acai")
    assert first[("mnist", "32", "acai")] == ("50.00 ± 0.00", "2")
    assert first[("mnist", "256", "acai")] == ("75.00 ± 0.00", "2")
    assert len(first) == 2  # that on svhn is of other settings: none of this table's
    shutil.rmtree(tmp_path / "runs")
    second = numbers("--seeds=1", "--datasets=mnist", "--sizes=256", "--models=vae")
    assert second == {
        ("mnist", "32", "acai"): ("50.00 ± 0.00", "2"),
        ("mnist", "256", "acai"): ("75.00 ± 0.00", "2"),
        ("mnist", "256", "vae"): ("", "0"),
    }


def test_a_shorter_run_does_not_replace_what_a_longer_one_left(tmp_path):
    (row,) = rows(LINES, tmp_path, seeds=1, scale=1 / 128, models=["acai"])
    score = {"line_distance": 1.0}
    kept = dataclasses.replace(
        row.configs[0], run_dir=str(tmp_path / "out/runs/lines/acai-d64-seed0")
    )
    reports(kept, [score] * 5, clustering_accuracy=0.5)
    reports(row.configs[0], [score] * 2)
    tables.write(tmp_path / "out", "lines", LINES, [obtained(row, LINES.scores, tmp_path)], [])
    assert len(RunFolder(kept.run_dir).records()) == 5
    # A longer one does, without the other's scores.
    shutil.rmtree(row.configs[0].run_dir)
    reports(row.configs[0], [score] * 6)
    tables.write(tmp_path / "out", "lines", LINES, [obtained(row, LINES.scores, tmp_path)], [])
    assert len(RunFolder(kept.run_dir).records()) == 6
    assert not (pathlib.Path(kept.run_dir) / "eval.json").exists()


# Runs: a small program in place of `python -m acai_tf`.

PROGRAM = """
import os, pathlib, signal, sys, time
if "data" in sys.argv:
    raise SystemExit("error: mnist is missing")
*_, command, folder = sys.argv
folder = pathlib.Path(folder)
if command == "report":
    for kimg in (1, 2):
        print(f"kimg {kimg}/2  score 0.5")
elif command == "count":
    now = folder / "now"
    now.mkdir(exist_ok=True)
    (now / str(os.getpid())).touch()
    time.sleep(0.3)
    print("at a time", len(list(now.iterdir())), "threads", os.environ["OMP_NUM_THREADS"])
    (now / str(os.getpid())).unlink()
elif command == "fail":
    raise SystemExit("error: too bad")
elif command == "killed":
    print("all is well", flush=True)
    os.kill(os.getpid(), 9)
elif command == "silent":
    sys.exit(5)
elif command == "wait":
    def save(*_):
        (folder / f"{os.getppid()}-{time.monotonic()}.saved").touch()
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    (folder / f"{os.getpid()}.began").touch()
    time.sleep(30)
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A function that makes a job of PROGRAM's commands."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "program.py"} "$@"\n')
    (tmp_path / "program.py").write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(command.sys, "executable", str(program))

    def job(name, *commands):
        words = [[one, str(tmp_path)] for one in commands]
        return command.Job(f"digits/{name}", words, tmp_path / "logs" / f"{name}.log")

    return job


def test_jobs_run_in_parallel_and_print_their_reports(job, capfd):
    jobs, ends = [job(f"run{i}", "report", "count") for i in range(4)], []
    places = [{"OMP_NUM_THREADS": "5"}] * 2
    assert command.run_all(jobs, places, finished=lambda: ends.append(1)) == []
    assert len(ends) == 4
    logs = " ".join(one.log.read_text() for one in jobs)
    assert "at a time 2 threads 5" in logs
    assert "at a time 3" not in logs
    printed = capfd.readouterr().out
    assert "digits/run3  kimg 2/2  score 0.5" in printed
    assert printed.count("  kimg ") == 8  # each report once


def test_a_job_that_fails_does_not_stop_the_others(job, capfd):
    jobs = [job("bad", "fail", "report"), job("good", "report"), job("killed", "killed")]
    jobs.append(job("silent", "silent"))
    jobs[2].log.parent.mkdir()
    jobs[2].log.write_text("error: of another day\n")
    failed = command.run_all(jobs, [{}], lambda: None)
    assert failed == ["digits/bad", "digits/killed", "digits/silent"]
    assert "kimg" not in jobs[0].log.read_text()  # the command after it has not run
    assert "kimg 2/2" in jobs[1].log.read_text()
    assert jobs[2].log.read_text() == "error: of another day\nall is well\n"
    printed = capfd.readouterr().out
    assert "digits/bad failed: error: too bad" in printed
    assert "digits/killed failed: killed by signal 9" in printed
    assert "digits/silent failed: exit status 5" in printed


def test_a_table_that_cannot_be_written_ends_all_runs(job, tmp_path):
    def finished():
        raise OSError("no space")

    began = time.monotonic()
    with pytest.raises(OSError, match="no space"):
        command.run_all([job("a", "report"), job("b", "wait")], [{}, {}], finished)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_and_all_are_saved(job, number, tmp_path):
    before = signal.signal(number, signal.default_int_handler)  # a background job ignores some
    jobs = [job(name, "wait") for name in "abc"]

    def send():
        until = time.monotonic() + 30
        while len(list(tmp_path.glob("*.began"))) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(Stopped, match="the same command resumes") as stopped:
            command.run_all(jobs, [{}, {}], lambda: None)
        assert stopped.value.exit_status == 128 + number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        thread.join()
        signal.signal(number, before)
    assert len(list(tmp_path.glob("*.saved"))) == 2  # the third has not begun
    assert len(list(tmp_path.glob("*.began"))) == 2


@pytest.fixture
def python_path(monkeypatch):
    """Other processes find the package, wherever they start."""
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{inherited}")


def test_missing_data_are_reported_before_anything_is_trained(run, job, tmp_path):
    words = ["--table=probe", "--datasets=mnist", "--models=acai", "--seeds=1", "--scale=1/256"]
    status, _, stderr = run(*words, "--data_dir=none")
    assert status == 2
    assert stderr == "error: mnist is missing\n"
    assert not (tmp_path / "runs" / "mnist").exists()


def test_only_what_is_missing_is_run(tmp_path):
    given = grid.read_settings(["--data_dir=/d"])
    found = rows(CLUSTERING, tmp_path, seeds=2, scale=1 / 128, datasets=["mnist"], sizes=[32],
                 models=["acai"], given=given)  # fmt: skip
    arguments = argparse.Namespace(seeds=2, n_init=7, runs_dir=tmp_path)
    first, second = found[0].configs

    def todo(table=CLUSTERING):
        jobs = command._jobs(found, table.evaluators, arguments)
        return [[words[0] for words in job.commands] for job in jobs]

    assert todo() == [["train", "evaluate"]] * 2
    assert todo(PROBE) == [["train"]] * 2
    train, evaluate = command._jobs(found, CLUSTERING.evaluators, arguments)[1].commands
    assert train == ["train", *found[0].command(1), f"--run_dir={second.run_dir}"]
    assert evaluate == (
        ["evaluate", f"--run_dir={second.run_dir}", "--evaluators=clustering", "--n_init=7"]
        + ["--data_dir=/d"]
    )
    reports(first, [{"probe_accuracy": 0.5}] * 2)
    assert todo()[0] == ["train", "evaluate"]  # a report, but no checkpoint after it
    folder = pathlib.Path(first.run_dir)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-00002048.npz").touch()
    assert todo()[0] == ["evaluate"]
    reports(second, [{"probe_accuracy": 0.5}] * 3)  # longer: its weights at this length are gone
    (pathlib.Path(second.run_dir) / "checkpoints").mkdir()
    (pathlib.Path(second.run_dir) / "checkpoints" / "step-00003072.npz").touch()
    assert todo() == [["evaluate"]]
    entry = {"scores": {"clustering_n_init": 7}, "figures": [], "options": {}, "seconds": 1.0}
    saved = {"about": {"kimg": 128}, "evaluators": {"clustering": entry}}
    (folder / "eval.json").write_text(json.dumps(saved))
    assert todo() == []
    arguments.n_init = 1000
    assert todo() == [["evaluate"]]


def test_runs_that_failed_are_named_and_the_table_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "run_all", lambda jobs, *_, **__: [jobs[0].name])
    words = ["--table=lines", "--models=acai", "--seeds=1", "--data_dir=/somebody/data"]
    status, _, stderr = run(*words, "--out=out")
    assert status == 1
    assert "1 runs failed (lines/acai-d64-seed0)" in stderr
    text = (tmp_path / "out" / "lines-16384kimg.md").read_text()
    assert "acai-tf reproduce --table=lines --seeds=1 --models=acai\n" in text
    assert "somebody" not in text


def test_each_gpu_gets_its_share_and_cores_are_divided(monkeypatch):
    memory = type("Memory", (), {"available": 1e12})
    monkeypatch.setattr(command.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    places = command.environments(3, runs=9)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["2", "5", "2"]
    assert len(command.environments(None, runs=99)) == 2 * command.PER_GPU
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(command.psutil.Process, "cpu_affinity", lambda self: list(range(8)))
    monkeypatch.setattr(command.psutil, "cpu_count", lambda: 8)
    places = command.environments(None, runs=3)
    assert [place["TF_NUM_INTRAOP_THREADS"] for place in places] == ["2"] * 3
    assert len(command.environments(None, runs=99)) == 8
    memory.available = 8e9
    assert len(command.environments(None, runs=99)) == 2
    assert len(command.environments(5, runs=99)) == 5  # as asked


@pytest.mark.slow  # forty seconds of real runs
def test_a_table_from_nothing_is_resumed_where_it_was_stopped(run, tmp_path, python_path):
    words = ["--table=lines", "--models=baseline,acai", "--seeds=2", "--scale=1/8192"]
    words += ["--report_kimg=1", "--depth=2", f"--cache_dir={tmp_path / 'cache'}"]
    started = [sys.executable, "-m", "acai_tf", "reproduce", *words]
    first = subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "runs" / "lines"
    until = time.monotonic() + 120
    while not list(runs.glob("*/metrics.jsonl")) and time.monotonic() < until:
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 143, out + err
    assert "the same command resumes" in err
    status, _, stderr = run(*words)
    assert status == 0, stderr
    (file,) = (tmp_path / "results").glob("*.md")
    assert file.name == "lines-2kimg-report_kimg1-depth2.md"
    rows = [line.split("|") for line in file.read_text().splitlines() if line.startswith("| lines")]
    assert [row[10].strip() for row in rows[:2]] == ["2", "2"]
    assert len(list(runs.glob("*/saved_model"))) == 4
    before = file.read_text()
    status, printed, _ = run(*words)  # nothing is left to do
    assert status == 0
    assert " runs, " not in printed.partition("# Line")[0]
    assert file.read_text() == before
