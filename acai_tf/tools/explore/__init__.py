"""Interpolations in a browser: `acai-tf explore`."""
