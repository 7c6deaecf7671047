"""A moving average of a model's weights, beside them."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

RAMP = 0.05  # the half-life is at most this share of the steps so far


class Average:
    """An exponential moving average of all weights of a model. Training does not read it.

    After a step that t others precede (Karras et al. 2022),

        average = weights + beta (average - weights),    beta = 0.5^(1 / min(half_life, 0.05 t)).

    Keras' own (`use_ema`) would replace the weights at the end of `fit`.

    Args:
        model: an `Autoencoder` with its optimizer, of whose state the average becomes a part.
        half_life: in steps.
    """

    def __init__(self, model, half_life: float):
        self._iterations, self._half_life = model.optimizer.iterations, half_life
        options = {"initializer": "zeros", "aggregation": "only_first_replica"}
        self._pairs = []
        for variable in model.weights:
            if keras.backend.is_float_dtype(variable.dtype):
                name = f"{variable.path.replace('/', '_')}_average"
                options |= {"shape": variable.shape, "dtype": variable.dtype, "name": name}
                self._pairs.append((variable, model.optimizer.add_variable(**options)))

    def update(self) -> None:
        """Follow the weights, at the end of a step."""
        before = ops.cast(self._iterations - 1, "float32")  # 0 at first: the average is forgotten
        half_life = ops.maximum(ops.minimum(self._half_life, RAMP * before), 1e-8)
        beta = ops.power(0.5, 1 / half_life)
        for variable, average in self._pairs:
            average.assign(variable + beta * (average - variable))

    def reset(self) -> None:
        """Begin again from the weights."""
        for variable, average in self._pairs:
            average.assign(np.array(variable))

    def swap(self) -> None:
        """Exchange the weights and their average."""
        for variable, average in self._pairs:
            weights = np.array(variable)  # copies: JAX donates each buffer once
            variable.assign(np.array(average))
            average.assign(weights)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Within this context the model has the averaged weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
