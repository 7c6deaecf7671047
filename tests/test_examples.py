"""The examples run, at a small size, and do what their heads say."""

import importlib.util

import keras
import pytest

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A function from an example's name to its module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name):
        specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load


def test_they_are_short_and_each_has_a_test():
    for path in EXAMPLES.glob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 70, path.name
        assert any(f"examples/{path.name}" in line for line in lines[:8]), "no command in its head"
        assert f'example("{path.stem}")' in (ROOT / "tests/test_examples.py").read_text()


def test_plain_keras(example, capsys):
    example("plain_keras").main(epochs=1)
    assert "the same reconstructions" in capsys.readouterr().out


def test_own_regularizer(example, capsys):
    example("own_regularizer").main(epochs=1)
    assert capsys.readouterr().out.count("correlation") == 2


def test_critic_on_a_vae(example, capsys):
    example("critic_on_a_vae").main(epochs=1)
    assert len(capsys.readouterr().out.splitlines()) > 2 * 16


def test_few_labels(example):
    accuracy = example("few_labels").main("digits", labels=100)
    assert min(accuracy.values()) > 0.7


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it is exported")
def test_own_networks(example, capsys):
    example("own_networks").main(kimg=2, width=4)
    assert "a linear classifier" in capsys.readouterr().out


@pytest.mark.slow
def test_fine_tune_on_a_folder(example):
    errors = example("fine_tune_on_a_folder").main(kimg=2)
    assert errors["acai/mnist-d32"] < errors["random weights"]
