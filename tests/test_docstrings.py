"""The examples in the docstrings of the public API run."""

import doctest
import inspect

import keras
import numpy as np
import pytest
from keras import layers

import acai_tf

SHAPE = (8, 8, 1)
CLASSES = [name for name in acai_tf.__all__ if inspect.isclass(getattr(acai_tf, name))]
PARTS = [name for name in CLASSES if getattr(acai_tf, name).__module__.startswith("acai_tf.models")]


@pytest.mark.parametrize("name", PARTS)
def test_examples_run(name):
    documented = getattr(acai_tf, name)
    around = {
        "acai_tf": acai_tf,
        "keras": keras,
        "np": np,
        "images": np.random.default_rng(0).integers(0, 256, (16, *SHAPE), np.uint8),
        "encoder": keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(6)]),
        "decoder": keras.Sequential([keras.Input((6,)), layers.Dense(64), layers.Reshape(SHAPE)]),
    }
    test = doctest.DocTestParser().get_doctest(documented.__doc__, around, name, None, None)
    assert test.examples or name == "Forward"
    report = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert not report, "".join(report)
