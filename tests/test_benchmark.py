"""How the benchmarks measure."""

import contextlib
import os
import subprocess
import sys

import pytest

from acai_tf.errors import AcaiError
from benchmarks import timing

FRAMEWORKS = {"jax", "keras", "tensorflow", "torch"}


def prepare(name, folder):
    """A turn writes the process that takes it."""

    def turn():
        with open(folder / name, "a") as file:
            file.write(f"{os.getpid()}\n")

    return turn, FRAMEWORKS & set(sys.modules)


def dies():
    os._exit(1)


def test_candidates_have_separate_processes(tmp_path):
    with contextlib.ExitStack() as stack:
        candidates = {
            name: stack.enter_context(contextlib.closing(timing.Worker(prepare, name, tmp_path)))
            for name in "ab"
        }
        assert [one.facts for one in candidates.values()] == [set(), set()]
        seconds = timing.interleaved(candidates, rounds=2)
    assert {name: len(turns) for name, turns in seconds.items()} == {"a": 2, "b": 2}
    of_a, of_b = ((tmp_path / name).read_text().split() for name in "ab")
    assert len(of_a) == len(of_b) == 3
    assert len({*of_a, *of_b, str(os.getpid())}) == 3


def test_a_process_that_dies_is_one_line():
    with pytest.raises(AcaiError, match="killed"):
        timing.Worker(dies)


def test_a_benchmark_runs_from_a_clone(tmp_path):
    script = [sys.executable, timing.__file__.replace("timing.py", "train.py")]
    environment = {**os.environ, "PYTHONPATH": ""}
    ended = subprocess.run(
        [*script, "--model=gan"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert ended.returncode == 2
    assert "invalid choice: 'gan'" in ended.stderr
