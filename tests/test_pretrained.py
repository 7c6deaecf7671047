"""Models that come with the package."""

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import acai_tf
from acai_tf import flags, pretrained
from acai_tf.config import KIMG, Config
from acai_tf.data import load_dataset
from acai_tf.errors import UsageError
from acai_tf.export.exported import read_about
from acai_tf.tools import pretrained as tool
from acai_tf.training import checkpoints
from tests.conftest import ROOT

NAMES = pretrained.names()


def test_there_are_models_and_they_are_small():
    assert "acai/mnist-d32" in NAMES
    size = sum(path.stat().st_size for path in pretrained.FOLDER.rglob("*") if path.is_file())
    assert size < 20e6


@pytest.mark.parametrize("name", NAMES)
def test_each_loads_and_says_what_it_is(name):
    model, about = acai_tf.load(name), read_about(pretrained.resolve(name))
    config = about["config"]
    assert name == f"{config.model}/{config.dataset}-d{config.code_size}"
    assert about["step"] * config.batch == config.total_kimg * KIMG
    assert (config.run_dir, config.data_dir, config.cache_dir) == ("", "", "")
    images = np.zeros((2, *model.image_shape), np.uint8)
    assert np.isfinite(model.reconstruct(images)).all()
    new = model.sample(2, "fitted")
    assert new.shape == images.shape
    assert np.isfinite(new).all()
    folder = pretrained.FOLDER / name
    text = (folder / tool.CARD).read_text()
    (command,) = (line for line in text.splitlines() if line.startswith("python train.py"))
    same = flags.parse(shlex.split(command)[1:])  # it trains this very model
    assert same == config
    assert f"{100 * about['scores']['probe_accuracy']:.4g}" in text
    assert Image.open(folder / tool.PICTURE).width > 500


def test_its_scores_are_those_of_its_weights(monkeypatch):
    """On lines, which need no data."""
    from acai_tf.evaluation import reconstruction
    from acai_tf.evaluation.context import Context

    model = acai_tf.load("acai/lines-d64")
    context = Context(model, load_dataset(Config(dataset="lines")))
    scores = read_about(pretrained.resolve("acai/lines-d64"))["scores"]
    assert reconstruction.evaluate(context)["test_rmse"] == pytest.approx(
        scores["test_rmse"], rel=1e-4
    )
    assert scores["line_distance"] < 0.005  # untrained: 0.03


@pytest.mark.parametrize("path", ["acai/mnist-d33", "acai/svhn", "vqvae/celeba-d32"])
def test_an_unknown_name_lists_the_known_ones(path):
    with pytest.raises(
        UsageError, match=rf"no pretrained model {path}; there are .*acai/mnist-d32"
    ):
        acai_tf.load(path)


def test_names_are_taken_as_they_are_typed():
    assert pretrained.resolve("acai/mnist-d32/") == pretrained.resolve("acai/mnist-d32")
    with pytest.raises(UsageError, match="~nobodys/x"):
        acai_tf.load("~nobodys/x")


def test_weights_cut_short_are_of_no_such_model(tmp_path):
    """Seen before memory is taken for it."""
    shutil.copytree(pretrained.FOLDER / "acai" / "lines-d64", tmp_path / "cut")
    weights = tmp_path / "cut" / "weights.npz"
    weights.write_bytes(weights.read_bytes()[: int(0.7 * weights.stat().st_size)])
    with pytest.raises(UsageError, match="is damaged"):
        acai_tf.load(str(tmp_path / "cut"))


def test_a_command_says_what_differs_and_not_where_it_ran():
    config = Config(dataset="mnist", model="vae", depth=16, latent=2, lr=0.5, total_kimg=7)
    config = dataclasses.replace(config, run_dir="/r", data_dir="/d", fused=False, beta=2.0)
    words = tool.training_command(config).split()
    assert words == [
        *("python", "train.py", "--dataset=mnist", "--model=vae"),
        *("--total_kimg=7", "--lr=0.5", "--beta=2.0"),
    ]


def test_a_folder_of_that_name_is_preferred(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acai" / "mnist-d32").mkdir(parents=True)
    assert pretrained.resolve("acai/mnist-d32") == "acai/mnist-d32"
    with pytest.raises(UsageError, match="not a run folder"):
        acai_tf.load("acai/mnist-d32")
    with pytest.raises(UsageError, match="runs/mnist is not a run folder"):
        acai_tf.load("runs/mnist")  # could be no name


@pytest.mark.slow
def test_a_run_becomes_one(tiny, tmp_path, monkeypatch, capsys):
    from acai_tf.training.train import train

    model = train(tiny)
    words = ["pretrained", f"--add={tiny.run_dir}", f"--out={tmp_path / 'out'}", "--n_init=2"]
    monkeypatch.setattr(sys, "argv", words)
    tool.main()
    folder = tmp_path / "out" / "acai" / "digits-d128"
    loaded = acai_tf.load(str(folder))
    images = load_dataset(tiny).test_images[:16]
    assert np.asarray(loaded.encode(images)) == pytest.approx(
        np.asarray(model.encode(images)), abs=1e-2
    )
    with np.load(folder / "weights.npz") as weights:
        kept = {name: weights[name].dtype for name in weights.files}
    assert kept["encoder/conv0/kernel"] == np.float16
    assert not any("adam" in name for name in kept)
    assert loaded.sample(2, "fitted").shape == images[:2].shape
    about = json.loads((folder / "acai_tf.json").read_text())
    assert {"test_rmse", "probe_accuracy", "clustering_accuracy"} <= set(about["scores"])
    assert "line_distance" not in about["scores"]  # digits have no true interpolations
    assert str(tmp_path) not in (folder / tool.CARD).read_text() + json.dumps(about)
    with pytest.raises(UsageError, match="exists; remove it first"):
        tool.main()
    assert len(list(folder.parent.iterdir())) == 1  # nothing half-made is left
    assert read_about(str(folder))["step"] == 128


@pytest.mark.slow
def test_it_can_be_evaluated_and_exported_by_its_name(tmp_path):
    """What is measured goes beside runs, not into the package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["--run_dir=acai/lines-d64", "--evaluators=probe"]
    command = [sys.executable, str(ROOT / "evaluate.py"), *words]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    saved = json.loads((tmp_path / "runs/pretrained/acai/lines-d64/eval.json").read_text())
    scores = read_about(pretrained.resolve("acai/lines-d64"))["scores"]
    measured = saved["evaluators"]["probe"]["scores"]["probe_accuracy"]
    assert measured == pytest.approx(scores["probe_accuracy"], abs=2e-4)
    assert not (pretrained.FOLDER / "acai" / "lines-d64" / "evaluation").exists()

    from acai_tf.export.write import export_run

    folder = export_run("acai/lines-d64", str(tmp_path / "out"), ("weights",))
    model = acai_tf.load("acai/lines-d64")
    assert read_about(str(folder))["scores"] == scores
    checkpoints.restore(folder / "weights.npz", model)
