"""Shared fixtures. Logical CPU devices let several devices be tested on any machine."""

import dataclasses
import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Test processes share the cores, and OpenMP's threads spin while they wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")  # for JAX

import pytest

from acai_tf.cli import muted_stderr
from acai_tf.config import Config

with muted_stderr():  # TensorFlow logs at its import
    import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
    )

# What is imported stays: the collector need not walk through it again and again.
gc.freeze()

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def permissions_hold(tmp_path):
    """Skips a test for users whom permissions do not restrict: root."""
    forbidden = tmp_path / "forbidden"
    forbidden.touch(mode=0)
    readable = os.access(forbidden, os.R_OK)
    forbidden.unlink()
    if readable:
        pytest.skip("permissions do not restrict this user")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Each test has a separate cache of decoded images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def without_sheets(monkeypatch):
    """Reports draw nothing, which would be half of a small run's time."""
    monkeypatch.setattr("acai_tf.evaluation.figures.sheets", lambda *_: {})


@pytest.fixture
def tiny(tmp_path) -> Config:
    """A run of two reports of 64 steps that takes seconds."""
    return Config(
        model="acai",
        dataset="digits",
        image_size=16,  # one scale: most of a run's time is tracing its layers
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
