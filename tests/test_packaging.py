"""The package as pip installs it, outside of the clone."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PARTS = ("acai_tf", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.mark.slow
def test_a_wheel_has_all_that_it_needs(tmp_path):
    pytest.importorskip("setuptools")  # builds it
    clone, site, work = (tmp_path / name for name in ("clone", "site", "work"))
    for folder in (clone, work):
        folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, clone / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, f"--wheel-dir={tmp_path}", str(clone)], check=True)
    (wheel,) = tmp_path.glob("acai_tf-*.whl")
    subprocess.run([*pip, "install", "--no-deps", f"--target={site}", str(wheel)], check=True)

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(
            words, cwd=work, env=environment, check=True, capture_output=True, text=True
        ).stdout

    command = str(site / "bin" / "acai-tf")
    run(command, "train", "--dataset=digits", "--total_kimg=1", "--report_kimg=1", "--depth=4")
    run_dir = work / "runs" / "digits" / "acai-d32-seed0"
    out = run(command, "evaluate", f"--run_dir={run_dir}", "--evaluators=reconstruction")
    assert "test_rmse" in out
    assert (run_dir / "report.html").exists()
    load = "import acai_tf; print(acai_tf.__file__, acai_tf.load('acai/mnist-d32').image_shape)"
    out = run(sys.executable, "-c", load)
    assert str(site) in out
    assert "(32, 32, 1)" in out
