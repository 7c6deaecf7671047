"""The README's Python runs as it stands there."""

import re

import keras
import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="one block is TensorFlow's")
def test_the_blocks_run_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        shorter = block.replace("kimg=16", "kimg=4")
        exec(compile(shorter, "README.md", "exec"), names)
    assert names["path"].shape == (16, 8, 32, 32, 1)
    assert names["z"].shape == (8, 4, 4, 2)
    assert names["probe"].score(names["codes_of"](names["images"]), names["y"]) > 0.7
    assert names["scores"]["linear_accuracy_100"] > 0.5
    assert names["pipe"].score(names["X"][1400:], names["y"][1400:]) > 0.5
