"""Measurements of speed, side by side: python -m acai_tf.benchmark NAME."""
