"""The published tables: rows, jobs, numbers by hand."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from acai_tf.config import KIMG, Config
from acai_tf.errors import AcaiError, Stopped, UsageError
from acai_tf.models import MODELS
from acai_tf.tools.reproduce import grid, jobs, tables
from acai_tf.tools.reproduce.obtained import measured, obtained
from acai_tf.tools.reproduce.published import TABLES, Published, Score
from acai_tf.training.run_folder import RunFolder
from tests.conftest import ROOT

LINES, PROBE, CLUSTERING = TABLES["lines"], TABLES["probe"], TABLES["clustering"]


def rows(table, tmp_path, **choice):
    return grid.rows(table, tmp_path / "runs", **choice)


def run(*words, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "acai_tf", "reproduce", *map(str, words)]
    return subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300
    )


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
        assert {row.model for row in found} == set(MODELS)
        assert len(found) == 8 * len(table.cells)  # the VQ-VAE has two starts
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
    assert len(set(dirs)) == 5 * 8 * (1 + 6)  # clustering shares its runs with the probe


def test_runs_lie_where_train_py_puts_them(tmp_path):
    from acai_tf.training.run_folder import default_run_dir

    for row in rows(PROBE, pathlib.Path("."), seeds=1, models=["acai", "vae"]):
        assert row.configs[0].run_dir == default_run_dir(row.configs[0])


def test_rows_are_chosen_and_shortened(tmp_path):
    (row,) = rows(PROBE, tmp_path, seeds=3, scale=1 / 16, datasets=["mnist"], models=["acai"],
                  sizes=[256])  # fmt: skip
    assert [config.total_kimg for config in row.configs] == [1024] * 3
    assert row.shown_command(2) == (
        "python train.py --dataset=mnist --model=acai --latent=16 --total_kimg=1024 --seed=2"
    )
    assert row.configs[2].run_dir.endswith("runs/mnist/acai-d256-seed2")
    (row, *_) = rows(LINES, tmp_path, scale=1e-9)
    assert row.kimg == 64  # a report at least
    (row, *_) = rows(LINES, tmp_path, scale=1e-9, given=("--report_kimg=2",))
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
    assert "/d" not in acai.shown_command(0)  # where things lie is nobody else's
    assert "--lr=0.001" in acai.shown_command(0)
    assert tables.name("lines", [acai], 1000) == "lines-16384kimg-lr0.001"
    both = [acai, found["aae"]]
    assert tables.name("x", both, 7) == "x-16384kimg-lr0.001-adversary_lr0.01-n_init7"


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
        ({"given": ("--noise=2.0",), "models": ["acai"]}, "no row of these reads --noise=2.0"),
        ({"given": ("--report_kimg=64", "--batch=60")}, "--batch=60 does not divide"),
    ],
)
def test_rows_that_are_none_are_refused(tmp_path, choice, message):
    with pytest.raises(UsageError, match=message):
        rows(LINES, tmp_path, **choice)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table=lines", "--seed=3"], "--seed is what a table's rows differ in"),
        (["--table=lines", "--frobnicate"], "Unknown command line flag 'frobnicate'"),
        (["--table=lines", "--lr=fast"], "--lr"),
        (["--table=lines", "--models=acai,gan"], "unknown model 'gan'; known: baseline"),
        (["--table=4"], "invalid choice: '4'"),
        (["--table=lines", "--scale=1/0"], "'1/0' is no number"),
        (["--table=lines", "--scale=1e999"], "--scale"),
        (["--table=lines", "--report_kimg=0"], "--report_kimg"),
        (["--table=lines", "--runs_dir=~nobodys/x"], "'~nobodys/x' is no folder"),
        (["--table=probe", "--sizes=big"], "--sizes"),
        (["--table=lines", "--seeds=0"], "--seeds must be at least 1"),
        ([], "--table"),
    ],
)
def test_bad_words_are_one_line(words, message, tmp_path):
    ended = run(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_tables_and_their_commands_can_be_listed(tmp_path, monkeypatch, capsys):
    from acai_tf.tools.reproduce import command as reproduce

    def listed(*words):
        monkeypatch.setattr(sys, "argv", ["reproduce", *words])
        reproduce.main()
        return capsys.readouterr().out.splitlines()

    monkeypatch.chdir(tmp_path)
    assert [line.split(":")[0] for line in listed("--list")] == [f"--table={t}" for t in TABLES]
    base = "python train.py --dataset=lines --model"
    words = ("--table=lines", "--models=acai,vae", "--seeds=2", "--scale=1/16", "--list")
    assert listed(*words) == [
        f"{base}={model} --total_kimg=1024 --seed={seed}" for model in ("vae", "acai")
        for seed in (0, 1)
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_run_folder_of_another_configuration_is_refused_before_anything_runs(tmp_path):
    (row,) = rows(LINES, tmp_path, seeds=1, models=["acai"])
    reports(dataclasses.replace(row.configs[0], lr=0.5), [{"line_distance": 1.0}])
    ended = run("--table=lines", "--seeds=1", f"--runs_dir={tmp_path / 'runs'}")
    assert ended.returncode == 2
    assert "lr is 0.5 there, 0.0001 here" in ended.stderr
    assert not (tmp_path / "runs" / "logs").exists()


# Numbers.


def test_some_of_the_numbers_as_printed():
    assert LINES.cells["lines", 64]["acai"] == (Published(0.24, 0.01), Published(0.10, 0.01))
    assert LINES.cells["lines", 64]["vqvae"] == (Published(5.41, 0.49), Published(0.77, 0.02))
    assert PROBE.cells["mnist", 32]["acai"] == (Published(98.25, 0.11),)
    assert PROBE.cells["svhn", 256]["vae"] == (Published(66.30),)
    assert PROBE.cells["cifar10", 1024]["vqvae"] == (Published(16.22),)
    assert CLUSTERING.cells["svhn", 256]["denoising"] == (Published(31.49),)
    means = {n: [p.mean for c in t.cells.values() for row in c.values() for p in row]
             for n, t in TABLES.items()}  # fmt: skip
    sums = {name: round(sum(each), 2) for name, each in means.items()}
    assert sums == {"lines": 27.40, "probe": 2519.28, "clustering": 1377.88}


def test_what_was_given_as_published_makes_no_other_run(tmp_path):
    given = grid.read_settings(["--lr=1e-4", "--batch=64", "--report_kimg=64"])
    (row,) = rows(LINES, tmp_path, seeds=1, models=["acai"], given=given)
    assert row.configs[0].run_dir.endswith("lines/acai-d64-seed0")
    assert tables.name("lines", [row], 1000) == "lines-16384kimg"


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
    assert list(found.scores) == [0, 1]
    assert found.scores[0] == [75.0, 50.0]
    assert found.of(0) == [75.0]
    assert found.of(1) == [50.0, 50.0]
    assert found.unfinished == {2: 128}
    assert found.speed == {0: 50.0, 1: 100.0}
    assert [records[-1]["kimg"] for records in found.curves] == [256, 256]
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
    assert cells[3:] == ["3.26 ± 0.19", "3.00", "**-0.26**", "0.14 ± 0.02", "", "", "1", "100"]
    assert "- lines aae, seed 1: not at its end yet (kimg 64), not counted" in text
    assert "- lines aae: mean smoothness undefined or not measured in 1 of 1" in text
    assert f"`{acai.shown_command(0)}` to 1" in text
    assert (out / "lines.png").read_bytes().startswith(b"\x89PNG")
    # What it rests on is kept, without where it lay.
    kept = out / "runs" / "lines" / "acai-d64-lr0.001-seed1"
    assert RunFolder(kept).config() == dataclasses.replace(
        acai.configs[1], data_dir="", run_dir="", cache_dir=""
    )
    assert len(RunFolder(kept).records()) == 2
    assert "somebody" not in "".join(p.read_text() for p in out.rglob("*.json*")) + text
    shutil.rmtree(tmp_path / "runs")  # a table can be made of what was kept alone
    assert [obtained(row, LINES.scores, out / tables.KEPT).of(0) for row in found] == [
        pytest.approx([3.0]),
        pytest.approx([0.2, 0.4]),
    ]


def test_what_was_obtained_before_stays_in_a_table(tmp_path):
    words = ["--table=probe", "--scale=1/256", "--no_train"]
    choice = {"scale": 1 / 256, "datasets": ["mnist"], "models": ["acai"]}
    small, large = rows(PROBE, tmp_path, seeds=2, **choice)
    for row, accuracy in ((small, 0.5), (large, 0.75)):
        for config in row.configs:
            reports(config, [{"probe_accuracy": accuracy}])
    other = rows(PROBE, tmp_path, seeds=1, scale=1 / 256, datasets=["svhn"], models=["acai"])[0]
    reports(dataclasses.replace(other.configs[0], lr=0.5), [{"probe_accuracy": 1.0}])

    def numbers(*choice):
        ended = run(*words, *choice, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
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
    # A longer one does, and what was measured of the other is not said of it.
    shutil.rmtree(row.configs[0].run_dir)
    reports(row.configs[0], [score] * 6)
    tables.write(tmp_path / "out", "lines", LINES, [obtained(row, LINES.scores, tmp_path)], [])
    assert len(RunFolder(kept.run_dir).records()) == 6
    assert not (pathlib.Path(kept.run_dir) / "eval.json").exists()


# Jobs: small programs in place of train.py.

REPORT = """
import json, sys, time
folder, kimg = sys.argv[1], int(sys.argv[2])
for k in range(1, kimg + 1):
    time.sleep(0.05)
    record = {"step": 16 * k, "kimg": k, "score": k / 10, "images_per_second": 7.0}
    open(f"{folder}/metrics.jsonl", "a").write(json.dumps(record) + "\\n")
"""
PATIENT = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path(sys.argv[1], "saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
pathlib.Path(sys.argv[1], "began").touch()
time.sleep(60)
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A function that makes a job of programs."""
    monkeypatch.setattr(jobs, "LOOK", 0.05)

    def job(name, *programs, kimg=3):
        folder = tmp_path / "runs" / "digits" / name
        folder.mkdir(parents=True)
        config = Config(dataset="digits", report_kimg=1, total_kimg=kimg, run_dir=str(folder))
        words = [["-c", program, str(folder), str(kimg)] for program in programs]
        return jobs.Job(config, words, tmp_path / "logs" / f"{name}.log")

    return job


def test_jobs_run_so_many_at_a_time_and_say_what_they_reach(job, tmp_path, capsys):
    count = f"""
import os, pathlib, time
here = pathlib.Path({str(tmp_path)!r}, "now"); here.mkdir(exist_ok=True)
mine = here / str(os.getpid()); mine.touch()
time.sleep(0.2)
print("at a time", len(list(here.iterdir())), "threads", os.environ["OMP_NUM_THREADS"])
mine.unlink()
"""
    made = [job(f"run{i}", REPORT, count) for i in range(4)]
    logs = [one.log for one in made]
    ends = []
    places = [{"OMP_NUM_THREADS": "5"}] * 2
    assert jobs.run_all(made, places, ["score"], ended=lambda: ends.append(1)) == []
    assert len(ends) == 4
    said = " ".join(log.read_text() for log in logs)
    assert "at a time 2 threads 5" in said
    assert "at a time 3" not in said
    printed = capsys.readouterr().out
    assert "digits/run3  kimg 3/3  score 0.3  7 img/s" in printed
    assert printed.count(" img/s") == 12  # each report once


def test_a_job_that_fails_keeps_no_other_from_its_end(job, capsys):
    bad = job("bad", "print('it was'); raise SystemExit('error: too bad')", REPORT)
    good = job("good", REPORT)
    (failed,) = jobs.run_all([bad, good], [{}], [], ended=lambda: None)
    assert failed is bad
    assert failed.failure == "error: too bad"
    assert not bad.folder.records()  # what comes after was not begun
    assert len(good.folder.records()) == 3
    assert "digits/bad failed: error: too bad" in capsys.readouterr().out


def test_of_a_job_that_was_killed_it_says_so(job):
    killed = job("killed", "import os; print('all is well', flush=True); os.kill(os.getpid(), 9)")
    killed.log.parent.mkdir()
    killed.log.write_text("error: of another day\n")
    silent = job("silent", "import sys; sys.exit(5)")
    silent.log.write_text("error: of another day\n")
    jobs.run_all([killed, silent], [{}], [], ended=lambda: None)
    assert "signal 9 ended it" in killed.failure
    assert silent.failure == "exit status 5"
    assert killed.log.read_text() == "error: of another day\nall is well\n"


def test_a_run_of_another_process_is_waited_for(job, capsys):
    """Of one that a killed `reproduce` left, say."""
    taken, other = job("taken", REPORT), job("other", REPORT)
    hold = f"""
import time
from acai_tf.run_folder import RunFolder
with RunFolder({str(taken.folder.path)!r}).held():
    print("held", flush=True)
    time.sleep(1.5)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", hold]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        assert taken.folder.busy()
        began = {}
        assert not jobs.run_all([taken, other], [{}], [], ended=lambda: began.setdefault(
            "first", [len(one.folder.records()) for one in (taken, other)]))  # fmt: skip
    assert "another process is at what is left to do" in capsys.readouterr().out
    assert began["first"] == [0, 3]  # the other one came first
    assert len(taken.folder.records()) == 3


def test_data_are_prepared_before_anything_is_trained(tmp_path, monkeypatch):
    from acai_tf.tools.reproduce import command as reproduce

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = ["--table=probe", "--datasets=mnist", "--models=acai", "--seeds=1", "--scale=1/256"]
    words += [f"--data_dir={tmp_path / 'none'}", f"--cache_dir={tmp_path / 'cache'}"]
    monkeypatch.setattr(sys, "argv", ["reproduce", *words])
    with pytest.raises(UsageError, match="mnist"):
        reproduce.main()
    assert not (tmp_path / "runs" / "mnist").exists()


def test_what_is_left_to_do(tmp_path, monkeypatch):
    import argparse

    from acai_tf.tools.reproduce.command import _jobs

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    given = grid.read_settings(["--data_dir=/d"])
    found = rows(CLUSTERING, tmp_path, seeds=2, scale=1 / 128, datasets=["mnist"], sizes=[32],
                 models=["acai"], given=given)  # fmt: skip
    arguments = argparse.Namespace(seeds=2, n_init=7, runs_dir=tmp_path)
    first, second = found[0].configs

    def todo(table=CLUSTERING):
        left = _jobs(found, table, arguments)
        return [[pathlib.Path(words[0]).name for words in job.commands] for job in left]

    assert todo() == [["train.py", "evaluate.py"]] * 2
    assert todo(PROBE) == [["train.py"]] * 2
    train, evaluate = _jobs(found, CLUSTERING, arguments)[1].commands
    assert train[1:] == [*found[0].command(1), f"--run_dir={second.run_dir}"]
    assert evaluate[1:] == (
        [f"--run_dir={second.run_dir}", "--n_init=7", "--evaluators=clustering", "--data_dir=/d"]
    )
    reports(first, [{"probe_accuracy": 0.5}] * 2)
    assert todo()[0] == ["train.py", "evaluate.py"]  # a report, and no checkpoint after it
    folder = pathlib.Path(first.run_dir)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-00002048.npz").touch()
    assert todo()[0] == ["train.py", "evaluate.py"]  # nor an export
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # which writes none
    assert todo()[0] == ["evaluate.py"]
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    (folder / "saved_model").mkdir()
    assert todo()[0] == ["evaluate.py"]
    reports(second, [{"probe_accuracy": 0.5}] * 3)  # past it: nothing can be made of it any more
    assert todo() == [["evaluate.py"]]
    entry = {"scores": {"clustering_n_init": 7}, "figures": [], "options": {}, "seconds": 1.0}
    saved = {"about": {"kimg": 128}, "evaluators": {"clustering": entry}}
    (folder / "eval.json").write_text(json.dumps(saved))
    assert todo() == []
    arguments.n_init = 1000
    assert todo() == [["evaluate.py"]]


def test_runs_that_failed_are_named_and_the_table_is_written(tmp_path, monkeypatch):
    from acai_tf.tools.reproduce import command as reproduce

    def fail(todo, places, shown, ended):
        return todo[:1]

    monkeypatch.setattr(jobs, "run_all", fail)
    words = ["--table=lines", "--models=acai", "--seeds=1", "--data_dir=/somebody/data"]
    places = [f"--runs_dir={tmp_path / 'runs'}", f"--out={tmp_path / 'out'}"]
    monkeypatch.setattr(sys, "argv", ["reproduce", *words, *places])
    with pytest.raises(AcaiError, match=r"1 runs failed \(lines/acai-d64-seed0\)"):
        reproduce.main()
    text = (tmp_path / "out" / "lines-16384kimg.md").read_text()
    assert "acai-tf reproduce --table=lines --seeds=1 --models=acai\n" in text
    assert "somebody" not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_and_all_are_saved(job, number, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has none
    made = [job("a", PATIENT), job("b", PATIENT), job("c", PATIENT)]
    sleep = time.sleep

    def stop(seconds):
        sleep(seconds)
        if all((one.folder.path / "began").exists() for one in made[:2]):
            signal.raise_signal(number)

    monkeypatch.setattr(jobs.time, "sleep", stop)
    try:
        with pytest.raises(Stopped, match="the same command goes on") as stopped:
            jobs.run_all(made, [{}, {}], [], ended=lambda: None)
        assert stopped.value.exit_status == 128 + number
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert [(one.folder.path / "saved").exists() for one in made] == [True, True, False]


def test_each_gpu_gets_its_share_and_cores_are_divided(monkeypatch):
    monkeypatch.setattr(jobs.psutil, "virtual_memory", lambda: type("M", (), {"available": 1e12}))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    places = jobs.slots(3, runs=9)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["2", "5", "2"]
    assert len(jobs.slots(None, runs=99)) == 2 * jobs.PER_GPU
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(jobs.psutil.Process, "cpu_affinity", lambda self: list(range(8)))
    monkeypatch.setattr(jobs.psutil, "cpu_count", lambda: 8)
    assert [p["TF_NUM_INTRAOP_THREADS"] for p in jobs.slots(None, runs=3)] == ["2"] * 3
    assert len(jobs.slots(None, runs=99)) == 8
    monkeypatch.setattr(jobs.psutil, "virtual_memory", lambda: type("M", (), {"available": 8e9}))
    assert len(jobs.slots(None, runs=99)) == 2
    assert len(jobs.slots(5, runs=99)) == 5  # asked for


@pytest.mark.slow  # forty seconds of real runs
def test_a_table_from_nothing_goes_on_where_it_was_stopped(tmp_path):
    words = ["--table=lines", "--models=baseline,acai", "--seeds=2", "--scale=1/8192"]
    words += ["--report_kimg=1", "--depth=2", f"--cache_dir={tmp_path / 'cache'}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "acai_tf", "reproduce", *words]
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)  # fmt: skip
    runs = tmp_path / "runs" / "lines"
    until = time.monotonic() + 120
    while not list(runs.glob("*/metrics.jsonl")) and time.monotonic() < until:
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 143, out + err
    assert "the same command goes on" in err
    ended = run(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (file,) = (tmp_path / "results").glob("*.md")
    assert file.name == "lines-2kimg-report_kimg1-depth2.md"
    rows = [line.split("|") for line in file.read_text().splitlines() if line.startswith("| lines")]
    assert [row[10].strip() for row in rows[:2]] == ["2", "2"]
    assert len(list(runs.glob("*/saved_model"))) == 4
    before = file.read_text()
    again = run(*words, cwd=tmp_path)  # nothing is left to do
    assert again.returncode == 0
    assert " runs, " not in again.stdout.partition("# Line")[0]
    assert file.read_text() == before


def test_scores_have_directions():
    from acai_tf.tools.compare.tables import directions

    for table in TABLES.values():
        for score in table.scores:
            assert isinstance(score, Score)
            assert directions()[score.name] in ("higher", "lower")
