"""The JAX backend, in separate processes: Keras takes one backend per process."""

import json
import os
import re
import subprocess
import sys

import pytest

from acai_tf.evaluation.run import evaluate_run
from acai_tf.models import MODELS
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder
from tests.conftest import ROOT
from tests.test_training import assert_same_outcome

SMALL = [
    "--depth=2",
    "--latent=2",
    "--latent_width=8",
    "--batch=16",
    "--lr=1e-3",
    "--report_kimg=1",
]


# XLA compiles in half the time; the slow tests have the code that users have.
QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def run(*words, backend="jax", path=(), devices=1, flags="", **extra):
    """A Python command on a backend, its output as one text; fails where the command does."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join([*path, str(ROOT)]),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {flags}",
        **extra,
    }
    environment.pop("PYTEST_ADDOPTS", None)
    result = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    return result.stdout + result.stderr


def pytest_on_jax(*words, **options):
    words = ["-m", "pytest", "-q", "-p", "no:xdist", "-o", "addopts=", *words]
    out = run(*words, devices=2, **options)
    return int(re.search(r"(\d+) passed", out)[1])


def train(run_dir, kimg, *words, dataset="digits", **kwargs):
    words = [f"--dataset={dataset}", *SMALL, f"--total_kimg={kimg}", *words]
    return run(str(ROOT / "train.py"), *words, f"--run_dir={run_dir}", **kwargs)


@pytest.fixture
def cache(tmp_path):
    """The processes of one test compile each thing once."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


@pytest.fixture
def without_tensorflow(tmp_path):
    """A folder that, on the path, makes `import tensorflow` fail as if it were not installed."""
    folder = tmp_path / "path"
    for name in ("tensorflow", "tensorflow_datasets"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('not installed')\n")
    return str(folder)


def test_golden_numbers():
    """Of ACAI (the slow tests: of all), the original's checkpoint, and gradients by the image."""
    files = [f"tests/test_{name}.py" for name in ("golden", "original", "evaluators")]
    others = [*(name for name in MODELS if name != "acai"), "straightforward"]
    which = f"(test_golden and not eager and not ({' or '.join(others)})) or gives_its_outputs"
    which += " or fast_gradient"
    assert pytest_on_jax(*files, "-k", which, "-m", "not slow", flags=QUICKLY) == 5 + 1 + 2


@pytest.mark.slow
@pytest.mark.parametrize("file", [False, True])
def test_runs_without_tensorflow(tmp_path, without_tensorflow, cache, file):
    """Resumed, and from a file of the same images: the same end."""
    there = {"path": [without_tensorflow], "flags": QUICKLY, **cache}
    out = train(tmp_path / "run", 1, **there)
    assert out.startswith("JAX ")
    assert "continuing" not in out
    assert "continuing" in train(tmp_path / "run", 2, **there)
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["versions"]["backend"] == "jax"
    if file:
        path = tmp_path / "digits.npz"
        run("-m", "acai_tf", "data", "digits", f"--npz={path}", **there)
        train(tmp_path / "file", 2, dataset=f"npz:{path}", **there)
        assert_same_outcome(tmp_path / "run", tmp_path / "file")


@pytest.mark.slow
def test_a_run_resumes_on_the_other_backend(tmp_path, cache):
    words = ["--model=vqvae", "--z_log_size=4"]
    folder = RunFolder(tmp_path / "run")
    train(folder.path, 1, *words, backend="tensorflow")
    (of_tensorflow,) = checkpoints.checkpoints(folder.checkpoints)
    before = of_tensorflow.read_bytes()
    out = train(folder.path, 2, *words, **cache)
    assert "backend tensorflow -> jax" in out
    assert "continuing" in out
    assert of_tensorflow.read_bytes() == before
    first, second = folder.records()
    assert second["loss_probe"] < first["loss_probe"]
    # What JAX wrote and reported, TensorFlow reads and finds.
    found = evaluate_run(str(folder.path), ["probe", "reconstruction"])
    assert found["step"] == second["step"] == 128
    assert found["test_rmse"] == pytest.approx(second["test_rmse"], rel=1e-5)
    assert found["probe_accuracy"] == pytest.approx(second["probe_accuracy"], abs=3 / 360)


@pytest.mark.slow
def test_the_kit():
    files = ("models", "noise", "losses", "interpolation", "networks", "checkpoints", "golden")
    files += ("evaluation", "npz", "registry", "original", "samplers", "schedule")
    passed = pytest_on_jax(*(f"tests/test_{name}.py" for name in files), "-m", "not slow")
    assert passed > 200


@pytest.mark.slow
def test_data():
    files = (f"tests/test_{name}.py" for name in ("data", "cache", "folder", "images", "figures"))
    assert pytest_on_jax(*files, "-m", "not slow") > 100


@pytest.mark.slow
def test_evaluation():
    files = ("evaluators", "evaluate", "compare", "render", "transformer")
    passed = pytest_on_jax(*(f"tests/test_{name}.py" for name in files), "-m", "not slow")
    assert passed > 100


@pytest.mark.slow
def test_whole_runs():
    assert pytest_on_jax("tests/test_training.py", "-m", "not slow") >= 20


@pytest.mark.slow
def test_what_goes_wrong():
    assert pytest_on_jax("tests/test_faults.py", "-m", "not slow") >= 20


@pytest.mark.slow
def test_several_steps_at_once():
    """In one program here, where TensorFlow has a loop."""
    assert pytest_on_jax("tests/test_faults.py", "-m", "slow", "-k", "several_steps") == 1


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_model_resumes(model, tmp_path):
    words = [f"--model={model}"] + (["--z_log_size=6"] if model == "vqvae" else [])
    train(tmp_path / "run", 1, *words)
    assert "continuing" in train(tmp_path / "run", 2, *words)
    train(tmp_path / "unbroken", 2, *words)
    assert_same_outcome(tmp_path / "run", tmp_path / "unbroken")


@pytest.mark.slow
def test_a_trapezoid_with_averaged_weights():
    assert pytest_on_jax("tests/test_schedule.py", "-m", "slow", "-k", "lengthened") == 1


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path):
    out = train(tmp_path / "two", 1, devices=2)
    assert out.startswith("JAX ")
    assert "on 2 CPU" in out
    train(tmp_path / "one", 1, devices=1)
    (two,), (one,) = (RunFolder(tmp_path / name).records() for name in ("two", "one"))
    for name in ("loss_ae", "loss_probe", "loss_critic", "test_rmse"):
        assert two[name] == pytest.approx(one[name], rel=1e-3), name


@pytest.mark.parametrize(
    ("backend", "platform", "says"),
    [
        ("tensorflow", "", "Keras cannot start on tensorflow (not installed)"),
        ("nonsense", "", "Keras cannot start on nonsense"),
        ("jax", "nonsense", "Keras cannot start on jax"),
    ],
)
def test_a_backend_that_cannot_start_is_one_line(backend, platform, says, without_tensorflow):
    environment = {**os.environ, "PYTHONPATH": without_tensorflow, "KERAS_BACKEND": backend}
    environment["JAX_PLATFORMS"] = platform
    result = subprocess.run(
        [sys.executable, str(ROOT / "train.py")], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith(f"error: {says}")
    assert "set KERAS_BACKEND to tensorflow or jax" in result.stderr
    assert result.stderr.count("\n") == 1
