"""One walk over the registry of models: is anything missing that a model must have?"""

import importlib
import json

import keras
import pytest

from acai_tf import flags, original
from acai_tf.config import changed_settings, specific_settings
from acai_tf.data import DATASETS
from acai_tf.models import MODELS
from tests.conftest import ROOT
from tests.reference import FOLDER, OBJECTIVES, Golden
from tests.test_models import test_saved_by_keras_and_loaded as export_test


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_missing(name):
    registered = MODELS[name]
    # Golden numbers, of the class that the original program had for it.
    assert (FOLDER / f"{name}.npz").exists(), "no golden numbers"
    assert name in OBJECTIVES, "no line in OBJECTIVES"
    (class_name,) = [key for key, value in original.CLASSES.items() if value.model == name]
    assert json.loads(str(Golden(name).arrays["config"]))["model"] == class_name

    # A configuration on every dataset, and settings that are its own.
    for dataset in DATASETS:
        config = flags.parse(
            ["train.py", f"--dataset={dataset}", f"--model={name}"], ROOT / "configs"
        )
        assert changed_settings(config) & specific_settings() <= set(registered.reads)
    assert set(registered.reads) <= specific_settings()

    # A row of the README that names its settings.
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("| `--model` |") :].partition("\n\n")[0]
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name}` |")]
    assert [setting for setting in registered.reads if f"`--{setting}`" not in row] == []

    # Export: Keras knows the class by the package's name, and the kit saves and loads it.
    module, attribute = registered.where.split(":")
    cls = getattr(importlib.import_module(module), attribute)
    assert keras.saving.get_registered_name(cls) == f"acai_tf>{attribute}"
    assert cls.__doc__
    (marked,) = [mark for mark in export_test.pytestmark if mark.name == "parametrize"]
    assert ".keras" in marked.args[1]


def test_every_setting_of_some_model_is_read_by_one():
    read = {setting for registered in MODELS.values() for setting in registered.reads}
    assert read == specific_settings()


def test_what_is_published_of_one_model_alone():
    def parse(*words):
        return flags.parse(["train.py", *words], ROOT / "configs")

    assert parse("--dataset=lines", "--model=vqvae").latent_width == 4
    assert parse("--dataset=lines", "--model=vqvae", "--latent_width=2").latent_width == 2
    assert parse("--dataset=lines").latent_width == 2
    assert parse("--dataset=cifar10", "--model=dropout").dropout == 0.75
    assert parse("--dataset=mnist", "--model=dropout").dropout == 0.5
