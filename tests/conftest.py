"""What tests share. Two logical CPU devices let several be tested on any machine."""

import dataclasses
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Several processes share the cores; OpenMP's threads wait for each other by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")  # for JAX

import pytest

from acai_tf.cli import muted_stderr
from acai_tf.config import Config

with muted_stderr():  # TensorFlow speaks of itself at its import
    import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
    )

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def permissions_hold(tmp_path):
    """Skips a test where we may read what is forbidden: as root."""
    forbidden = tmp_path / "forbidden"
    forbidden.touch(mode=0)
    readable = os.access(forbidden, os.R_OK)
    forbidden.unlink()
    if readable:
        pytest.skip("we may read everything")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Decoded images of a test are its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path) -> Config:
    """A run of two reports of 64 steps that takes seconds."""
    return Config(
        model="acai",
        dataset="digits",
        depth=2,
        latent=2,
        latent_width=8,
        batch=16,
        lr=1e-3,
        total_kimg=2,
        report_kimg=1,
        export=False,
        run_dir=str(tmp_path / "run"),
    )


@pytest.fixture
def configured(tiny):
    """A function that changes settings of `tiny`."""
    return lambda **changes: dataclasses.replace(tiny, **changes)
