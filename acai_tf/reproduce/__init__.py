"""The published tables, obtained: python -m acai_tf.reproduce --table=lines."""
