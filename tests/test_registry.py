"""One walk over the registry of models: is anything missing that a model must have?"""

import json

import keras
import pytest

from acai_tf.config import DEFAULTS, Config, specific_settings
from acai_tf.models import MODELS, build_model, settings_read
from acai_tf.original.folder import CLASSES
from tests.conftest import ROOT
from tests.reference import FOLDER, OBJECTIVES, Golden


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_missing(name):
    reads = set(settings_read(name))
    # Golden numbers, where the original program had a class for it.
    for class_name in [key for key, value in CLASSES.items() if value.model == name]:
        assert (FOLDER / f"{name}.npz").exists(), "no golden numbers"
        assert name in OBJECTIVES, "no line in OBJECTIVES"
        assert json.loads(str(Golden(name).arrays["config"]))["model"] == class_name

    # Settings that are its own; the defaults of every dataset give no others.
    assert reads <= specific_settings()
    for (_, model), settings in DEFAULTS.items():
        if model == name:
            assert set(settings) & specific_settings() <= reads

    # A row of the guide that names its settings.
    guide = (ROOT / "docs/models.md").read_text()
    table = guide[guide.index("| `--model` |") :].partition("\n\n")[0]
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name}` |")]
    assert [setting for setting in reads if f"`--{setting}`" not in row] == []

    # Export: Keras finds the class by the package's name and makes it again from its
    # configuration. (The kit in test_models.py, which runs over MODELS, saves and loads it.)
    model = build_model(Config(model=name, depth=2, latent=2), (16, 16, 1), 10)
    saved = keras.saving.serialize_keras_object(model)
    assert saved["registered_name"] == f"acai_tf>{type(model).__name__}"
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(saved)))
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    assert type(model).__doc__


def test_every_setting_of_some_model_is_read_by_one():
    read = {setting for name in MODELS for setting in settings_read(name)}
    assert read == specific_settings()
