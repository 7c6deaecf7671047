"""Runs beside each other: `acai-tf compare`."""
