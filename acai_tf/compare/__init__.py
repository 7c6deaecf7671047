"""Runs beside each other: `python -m acai_tf.compare`."""
