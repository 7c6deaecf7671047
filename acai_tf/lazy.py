"""Modules that are imported when they are first used.

Keras, TensorFlow, JAX and matplotlib take seconds to start; TensorFlow and JAX may be missing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see
    import jax
    import keras
    import matplotlib.pyplot as plt
    import tensorflow as tf
else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, attribute: str):
            return getattr(importlib.import_module(self._name), attribute)

    jax, keras = _Lazy("jax"), _Lazy("keras")
    plt, tf = _Lazy("matplotlib.pyplot"), _Lazy("tensorflow")

__all__ = ["jax", "keras", "plt", "tf"]
