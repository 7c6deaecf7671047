"""Noise on the encoder's input in training."""

import keras


@keras.saving.register_keras_serializable("acai_tf")
class GaussianNoise(keras.layers.Layer):
    """Adds noise n ~ N(0, stddev^2) to the encoder's input in training.

    Unlike `keras.layers.GaussianNoise` it depends on (seed, step) alone, so that a resumed run
    draws the same noise. Any other Keras layer works as a corruption too.

    Args:
        stddev: standard deviation, in units of images in [-1, 1].

    Examples:
        >>> corruption = acai_tf.GaussianNoise(0.5)
        >>> model = acai_tf.Autoencoder(encoder, decoder, corruption=corruption)
    """

    def __init__(self, stddev: float = 1.0, **options):
        super().__init__(**options)
        self.stddev = stddev
        self.built = True

    def noise(self, seed, shape: tuple) -> dict:
        """The random numbers of one step for inputs of `shape`, which includes the batch."""
        return {"noise": keras.random.normal(shape, seed=seed)}

    def call(self, x, noise=None):
        return x if noise is None else x + self.stddev * noise["noise"]

    def get_config(self) -> dict:
        return {**super().get_config(), "stddev": self.stddev}
