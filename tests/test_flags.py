import dataclasses
import re

import pytest
from absl import flags

from acai_tf import flags as our_flags
from acai_tf.config import Config, changed_settings
from acai_tf.data import DATASETS
from acai_tf.errors import UsageError
from acai_tf.models import MODELS, NETWORKS
from acai_tf.tools.reproduce.command import RECIPES
from acai_tf.tools.train import QUICKSTART
from tests.conftest import ROOT

CONFIGS = ROOT / "configs"


def parse(*words: str) -> Config:
    return our_flags.parse(["train.py", *words], QUICKSTART)


def test_every_setting_is_a_flag_with_its_default_and_a_help_text():
    values = flags.FlagValues()
    our_flags.define(values)
    for setting in dataclasses.fields(Config):
        assert values[setting.name].default == setting.default
    text = our_flags.help_text("Train.", values)
    names = re.findall(r"^  --(\w+)", text, re.MULTILINE)
    assert names == [setting.name for setting in dataclasses.fields(Config)]
    assert all(name in text for name in (*MODELS, *DATASETS, *NETWORKS))
    assert "--batch=64" in text
    assert "1 to 65536" in text


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dataset", [*DATASETS, "folder:/a", "npz:/a.npz", "tfds:a"])
def test_python_and_the_command_line_mean_the_same_run(dataset, model):
    config = Config(dataset=dataset, model=model)
    assert config == parse(f"--dataset={dataset}", f"--model={model}")
    assert changed_settings(config) <= {"dataset", "model"}  # nothing else counts as given
    if dataset in DATASETS:
        assert config == parse(f"--flagfile={CONFIGS}/{dataset}.cfg", f"--model={model}")


@pytest.mark.parametrize(
    ("dataset", "model", "shape"),
    [
        ("lines", "acai", (16, 16, 2)),
        ("lines", "vqvae", (16, 16, 4)),
        ("mnist", "acai", (16, 2, 4)),
        ("mnist32", "acai", (16, 2, 4)),
        ("svhn", "acai", (64, 16, 4)),
        ("cifar10", "acai", (64, 16, 4)),
        ("folder:/a", "vqvae", (64, 16, 4)),
    ],
)
def test_published_shapes(dataset, model, shape):
    config = Config(dataset=dataset, model=model)
    assert (config.depth, config.latent, config.latent_width) == shape
    assert config.total_kimg == 1 << 14
    assert Config(dataset=dataset, model=model, latent=5).latent == 5


def test_what_a_model_keeps_of_its_code_is_published_by_dataset():
    assert Config(dataset="cifar10", model="dropout").dropout == 0.75
    assert Config(dataset="mnist", model="dropout").dropout == 0.5
    assert Config(dataset="cifar10").dropout == 0.5


@pytest.mark.parametrize(
    "words", [("--latent=5", "--dataset=mnist"), ("--dataset=mnist", "--latent=5")]
)
def test_explicit_flags_win_wherever_they_stand(words):
    config = parse(*words)
    assert (config.latent, config.depth) == (5, 16)


def test_a_flag_file_on_the_command_line_wins_over_the_defaults(tmp_path):
    file = tmp_path / "mine.cfg"
    file.write_text("# mine\n--dataset=mnist\n--depth=3\n")
    config = parse(f"--flagfile={file}")
    assert (config.dataset, config.depth, config.latent) == ("mnist", 3, 2)


def test_without_a_dataset_the_quickstart():
    config = parse()
    assert config == parse(f"--flagfile={CONFIGS}/quickstart.cfg")
    assert config.dataset == "lines"
    assert config.total_kimg < 1024


@pytest.mark.parametrize(("table", "dataset"), [("probe", "mnist"), ("lines", "lines")])
def test_the_quick_recipe_is_that_of_reproduce(table, dataset):
    words = RECIPES["quick"][table]
    settings = [word for word in words if word.startswith(("--lr", "--schedule", "--probe_lr"))]
    config = parse(f"--flagfile={CONFIGS}/{dataset}-quick.cfg")
    assert len(settings) == 3
    assert config == parse(f"--dataset={dataset}", "--total_kimg=1024", *settings)
    assert "--scale=1/16" in words  # of 16,384 kimg


@pytest.mark.parametrize("name", ["mnist32", "svhn32", "celeba32", "lines32", "cifar10"])
def test_the_originals_names_are_accepted(name):
    assert parse(f"--dataset={name}").dataset == name.removesuffix("32")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dataset=imagenet"], "imagenet.*known: lines, pulses"),
        (["--model=gan"], "gan.*known: baseline, denoising"),
        (["--latnt=3"], "latnt.*Did you mean: latent"),
        (["--lr=fast"], "lr=fast"),
        (["mnist"], "'mnist' is not a flag"),
        (["--flagfile=/none.cfg"], "none.cfg"),
        (["--model=baseline", "--reg=0.2"], "baseline does not read --reg"),
        (["--model=acai", "--noise=0.5"], "acai does not read --noise.*--advweight"),
        (["--dataset=mnist", "--svhn_extra=false"], "mnist does not read --svhn_extra"),
        (["--dataset=npz:x.npz", "--image_size=64"], "does not read --image_size"),
        (["--dataset=folder:x", "--image_size=50"], "image width 50 by .* use one of 50, 25$"),
        (["--dataset=mnist", "--image_size=8"], "--image_size=.*16 to 256"),
        (["--dataset=mnist", "--image_size=257"], "--image_size=.*16 to 256"),
        (["--dataset=folder:"], "unknown dataset 'folder:'.*folder:<path>"),
    ],
)
def test_bad_command_lines_are_refused(words, says):
    with pytest.raises(UsageError, match=says):
        parse(*words)


@pytest.mark.parametrize(
    ("word", "value"),
    [("--zero_debias", True), ("--zero_debias=false", False), ("--nozero_debias", False)],
)
def test_yes_or_no(word, value):
    assert parse("--model=vqvae", word).zero_debias is value


def test_a_yes_or_no_that_is_neither_is_refused():
    with pytest.raises(UsageError, match="zero_debias"):
        parse("--model=vqvae", "--zero_debias=maybe")
