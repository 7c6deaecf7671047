"""Measurements of speed, side by side: python -m benchmarks NAME."""
