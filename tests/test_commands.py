"""The commands as a user runs them, in separate processes."""

import os
import re
import subprocess
import sys

import pytest

from acai_tf.training.run_folder import RunFolder
from tests.conftest import ROOT
from tests.test_original import RUN

SMALL = [
    "--dataset=digits",
    "--depth=2",
    "--latent_width=8",
    "--batch=16",
    "--lr=1e-3",
    "--report_kimg=1",
]


def start(script, *words, **kwargs):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def run(script, *words, **kwargs):
    process = start(script, *words, **kwargs)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def slow(*words):
    """In-process tests cover these as well."""
    return pytest.param(*words, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("script", "words", "says"),
    [
        ("train.py", ["--dataset=imagenet"], "imagenet"),
        slow("train.py", ["--model=gan"], "gan"),
        ("train.py", ["--latnt=2"], "latnt"),
        slow("train.py", ["--model=baseline", "--advweight=1"], "--advweight"),
        slow("train.py", [*SMALL, "--total_kimg=1", "--latent_width=7"], "--latent_width"),
        slow("train.py", [*SMALL, "--batch=2048", "--report_kimg=64"], "--batch"),
        slow("train.py", [*SMALL, "--batch=100"], "--batch"),
        slow("train.py", ["--seed=99999999999"], "--seed"),
        slow("train.py", [*SMALL, "--run_dir=/dev/null/run"], "--run_dir"),
        slow("train.py", ["--dataset=npz:/nowhere.npz"], "/nowhere.npz"),
        slow("train.py", ["--original=/TRAIN/mnist32/VAE"], "/TRAIN/mnist32/VAE"),
        slow(
            "train.py",
            [f"--original={RUN}", "--dataset=digits", "--depth=5"],
            "ae_enc/conv2d/kernel has",
        ),
        ("evaluate.py", ["--run_dir=x", "--seed=99999999999"], "seed"),
        ("evaluate.py", [], "--run_dir is needed"),
        slow("evaluate.py", ["--run_dir=/nowhere"], "not a run folder"),
        ("evaluate.py", ["--run_dir=/nowhere", "--evaluators=beauty"], "beauty"),
        slow("evaluate.py", ["--raw_pixels"], "--raw_pixels needs --dataset"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(script, words, says, tmp_path):
    status, _, err = run(script, *words, cwd=tmp_path)
    assert status == 2
    assert err.startswith("error: ")
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("config.json"))


def test_bad_input_of_the_other_commands_is_one_line_and_exit_2(tmp_path):
    for words, says in ((["acai_tf.data", "imagenet", "--npz=x.npz"], "known: lines, pulses"),):
        result = subprocess.run(
            [sys.executable, "-m", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert result.returncode == 2
        assert says in result.stderr
        assert "Traceback" not in result.stderr


def test_lines_from_a_clean_folder_to_pictures_and_scores(tmp_path):
    words = ["--depth=2", "--latent=1", "--latent_width=16", "--batch=32", "--export=false"]
    status, out, err = run("train.py", *words, "--total_kimg=1", "--report_kimg=1", cwd=tmp_path)
    assert status == 0, err
    assert "Traceback" not in err
    assert "NaN or Inf" not in out + err  # from tensorboardX
    assert "Warning" not in err
    assert re.search(r"dataset +lines", out)
    assert "line_distance" in out
    assert "img/s" in out
    folder = tmp_path / "runs" / "lines" / "acai-d256-seed0"
    assert (folder / "sheets" / "lerp-000001.png").exists()
    words = [f"--run_dir={folder}", "--evaluators=probe,reconstruction"]
    status, out, err = run("evaluate.py", *words, cwd=tmp_path)
    assert status == 0, err
    assert "probe_accuracy" in out
    assert (folder / "eval.json").exists()
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_real_mnist_trains(tmp_path):
    """Needs tfds' prepared MNIST; set ACAI_DATA_DIR to the folder that holds it."""
    data_dir = os.environ.get("ACAI_DATA_DIR")
    if not data_dir:
        pytest.skip("ACAI_DATA_DIR is not set")
    words = ["--dataset=mnist", f"--data_dir={data_dir}", "--model=baseline", "--lr=1e-3"]
    words += ["--total_kimg=32", "--report_kimg=32", f"--run_dir={tmp_path}/run"]
    status, _, err = run("train.py", *words)
    assert status == 0, err
    record = RunFolder(tmp_path / "run").records()[-1]
    assert record["probe_accuracy"] > 0.3
    assert record["test_rmse"] < 50
