import json

import numpy as np
import pytest

from acai_tf.config import EXECUTION_SETTINGS, Config, changed_settings, poolings
from acai_tf.errors import UsageError


def test_defaults_are_the_originals():
    config = Config()
    assert config == Config.from_dict({}) == Config(depth=None, total_kimg=None)
    assert (config.batch, config.lr, config.total_kimg, config.report_kimg) == (64, 1e-4, 16384, 64)
    assert (config.advweight, config.reg, config.advdepth) == (0.5, 0.2, 0)
    assert config.steps_per_report == 1024
    assert config.reports * config.steps_per_report == 262_144  # 2**24 images


def test_numpys_numbers_are_numbers():
    config = Config(batch=np.int64(8), lr=np.float32(0.5))
    assert config == Config(batch=8, lr=0.5)
    assert json.loads(json.dumps(config.to_dict()))["batch"] == 8


def test_words_that_python_says_otherwise():
    config = Config(xla=True, steps_per_execution=4)
    assert (config.xla, config.steps_at_once(default=1)) == ("true", 4)
    assert Config().steps_at_once(default=32) == 32


def test_survives_json():
    config = Config(model="baseline", lr=3e-4, seed=7)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_from_dict_names_unknown_settings():
    with pytest.raises(UsageError, match="colour"):
        Config.from_dict({"colour": 3})


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("batch", 0, "1 to"),
        ("batch", 10**8, "1 to"),
        ("batch", 2.5, "whole number"),
        ("batch", True, "whole number"),
        ("lr", -1.0, "at least 0"),
        ("lr", float("nan"), "number"),
        ("lr", float("inf"), "number"),
        ("lr", "fast", "number"),
        ("dropout", 1.5, "0.01 to 1"),
        ("dropout", 0, "0.01 to 1"),
        ("beta", -1, "at least 0"),
        ("seed", -1, "0 to"),
        ("seed", 2**32, "0 to"),
        ("dataset", 3, "text"),
        ("zero_debias", 1, "true or false"),
        ("strategy", "magic", "mirrored"),
        ("dtype_policy", "mixed_float16", "mixed_bfloat16"),
        ("xla", "perhaps", "auto"),
        ("steps_per_execution", 0, "auto"),
        ("steps_per_execution", "-1", "auto"),
        ("disc_layer_sizes", "100,0", "layer sizes"),
        ("disc_layer_sizes", "100;100", "sizes"),
        ("on_nonfinite", "hope", "rollback"),
        ("schedule", "step", "trapezoid"),
        ("cooldown", 1.5, "0 to 1"),
        ("warmup_kimg", -1, "at least 0"),
        ("background", "whit", "color"),
        ("background", "#ff000080", "color"),
    ],
)
def test_bad_values_are_refused_by_name(setting, value, says):
    with pytest.raises(UsageError, match=f"--{setting}.*{says}"):
        Config(**{setting: value})


def test_a_length_that_is_no_whole_number_of_reports_is_refused():
    with pytest.raises(UsageError, match=r"--total_kimg=112 or --report_kimg=4"):
        Config(total_kimg=100, report_kimg=16).reports  # noqa: B018


def test_a_run_has_fewer_than_2_to_the_31_steps():
    """JAX counts them in 32 bits."""
    longest = Config(batch=1, total_kimg=2**20, report_kimg=1)
    assert longest.reports * longest.steps_per_report < 2**31


@pytest.mark.parametrize(
    ("batch", "says"), [(100, "use 64 or 128"), (65535, "use 32768 or 65536"), (3, "use 2 or 4")]
)
def test_a_batch_that_does_not_divide_a_report_is_refused(batch, says):
    with pytest.raises(UsageError, match=f"--batch={batch} does not divide.*{says}"):
        Config(batch=batch).steps_per_report  # noqa: B018


@pytest.mark.parametrize(("width", "latent_width", "scales"), [(32, 4, 3), (32, 2, 4), (64, 4, 4)])
def test_poolings(width, latent_width, scales):
    assert poolings((width, width), latent_width) == scales
    assert poolings((width, 3 * width), latent_width) == scales
    assert poolings((3 * width, width), latent_width) == scales
    assert poolings((width,), latent_width) == scales


@pytest.mark.parametrize("latent_width", [3, 5, 64])
def test_latent_width_must_divide(latent_width):
    with pytest.raises(UsageError, match=r"one of 32, 16, 8, 4, 2, 1"):
        poolings((32, 32, 1), latent_width)


def test_changed_settings():
    assert changed_settings(Config(lr=1.0, batch=64)) == {"lr"}


def test_execution_settings():
    assert {
        *("run_dir", "data_dir", "cache_dir", "strategy", "logical_devices", "xla", "fused"),
        *("steps_per_execution", "on_nonfinite", "export"),
    } == EXECUTION_SETTINGS
