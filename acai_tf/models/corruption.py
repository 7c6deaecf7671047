"""Noise on the encoder's input in training. Any Keras layer will do; these resume exactly."""

import keras


@keras.saving.register_keras_serializable("acai_tf")
class GaussianNoise(keras.layers.Layer):
    """x + n, n ~ N(0, stddev^2), a function of (seed, step).

    `keras.layers.GaussianNoise` does the same with a random state of its own, so that a resumed
    run sees other noise than an unbroken one.

    Args:
        stddev: of the noise, in units of the images' [-1, 1].
    """

    def __init__(self, stddev: float = 1.0, **options):
        super().__init__(**options)
        self.stddev = stddev
        self.built = True

    def noise(self, seed, shape: tuple) -> dict:
        """The random numbers of one step for inputs of `shape`, the batch included."""
        return {"noise": keras.random.normal(shape, seed=seed)}

    def call(self, x, noise=None):
        return x if noise is None else x + self.stddev * noise["noise"]

    def get_config(self) -> dict:
        return {**super().get_config(), "stddev": self.stddev}
