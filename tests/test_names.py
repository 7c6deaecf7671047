"""Datasets and evaluators by a dotted path or a registered name."""

import json

import numpy as np
import pytest

import acai_tf
from acai_tf import data, evaluation, flags, models
from acai_tf.config import Config
from acai_tf.data.digits import load as load_digits
from acai_tf.errors import UsageError
from acai_tf.evaluation import report
from acai_tf.evaluation.results import Results
from acai_tf.training.run_folder import default_run_dir

HERE = __name__
SCORES = {"images": ("how many test images there are", "higher")}


def load(config):
    """A loader: four arrays."""
    images = np.full((9, 16, 24), config.image_size, np.uint8)
    return images, np.arange(9) % 2, images[:4], np.arange(4) % 2


def load_nothing(config):
    """Neither a Dataset nor arrays."""


def evaluate(context):
    """An evaluator: counts."""
    return {"images": float(len(context.dataset.test_images))}


def test_a_dataset_by_its_dotted_path():
    name = f"{HERE}:load"
    config = flags.parse(["train.py", f"--dataset={name}", "--image_size=50"])
    assert config.dataset == name  # its size is not known, so 50 / 2^n is not asked for
    dataset = data.load_dataset(config)
    assert (dataset.name, dataset.image_shape, dataset.classes) == (name, (16, 24, 1), 2)
    assert dataset.test_images.max() == 50
    assert default_run_dir(config).startswith("runs/tests.test_names-load/")
    loaded = data.load_dataset(Config(dataset="acai_tf.data.digits:load"))
    assert loaded.name == load_digits(Config(dataset="digits")).name


@pytest.mark.parametrize("name", [f"{HERE}:gone", "nowhere:load", f"{HERE}:load_nothing"])
def test_unknown_datasets_are_refused(name):
    with pytest.raises(UsageError):
        data.load_dataset(Config(dataset=name))


@pytest.fixture
def registered():
    acai_tf.register("dataset", "mine", f"{HERE}:load")
    acai_tf.register("evaluator", "counts", HERE)
    yield
    del data.DATASETS["mine"], evaluation.EVALUATORS["counts"]


def test_registered_names_are_known_everywhere(registered):
    config = flags.parse(["train.py", "--dataset=mine", "--image_size=50"])
    assert data.load_dataset(config).name == "mine"
    assert default_run_dir(config).startswith("runs/mine/")
    assert evaluation.check_names(["counts"]) == ["counts"]
    for kind, name in (("dataset", "mine"), ("dataset", "arrays"), ("dataset", "npz")):
        with pytest.raises(UsageError, match="already"):
            acai_tf.register(kind, name, "elsewhere:load")


@pytest.mark.parametrize("name", [HERE, "counts"])
def test_a_custom_evaluator(name, registered, tmp_path):
    dataset = data.load_dataset(Config(dataset=f"{HERE}:load"))
    assert evaluation.run_evaluators(None, dataset, [name]) == {"images": 4.0}
    before = evaluation.code_hash(name)
    assert before == evaluation.code_hash(name) != evaluation.code_hash("probe")
    results = Results(tmp_path, {"model": "acai", "dataset": "mine"})
    entry = {"scores": {"images": 4.0}, "figures": [], "options": {}, "seconds": 1.0}
    results.add(name, {**entry, "code": before})
    assert results.kept(name, {})
    results.add("gone.evaluator", {**entry, "code": ""})  # of an earlier day
    page = report.write(results, ()).read_text()
    assert "how many test images" in page
    assert "gone.evaluator" in page
    assert set(json.loads((tmp_path / "eval.json").read_text())["evaluators"]) == {
        name,
        "gone.evaluator",
    }


@pytest.mark.parametrize("name", ["nowhere.evaluator", "linaer", "json", ".linear"])
def test_unknown_evaluators_are_refused(name):
    with pytest.raises(UsageError, match="linear"):
        evaluation.check_names([name])


# A config.json names parts, and may come from anybody.


@pytest.mark.parametrize("setting", ["regularizers", "model", "networks"])
def test_a_part_is_called_only_if_it_is_one(setting, tmp_path):
    config = Config(**{setting: f"os:mkdir(path='{tmp_path}/made')"}, depth=2)
    with pytest.raises(UsageError, match="os:mkdir"):
        models.build_model(config, (16, 16, 1), 0)
    assert not (tmp_path / "made").exists()
