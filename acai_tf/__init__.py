"""acai_tf: Adversarially Constrained Autoencoder Interpolation in Keras 3 / TensorFlow."""

__version__ = "0.1.0"
