"""How rivals are measured."""

import contextlib
import os
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


def test_rivals_have_processes_of_their_own(tmp_path):
    with contextlib.ExitStack() as stack:
        rivals = {
            name: stack.enter_context(contextlib.closing(timing.Worker(prepare, name, tmp_path)))
            for name in "ab"
        }
        # What one rival imports does not meet what another does.
        assert [rival.facts for rival in rivals.values()] == [set(), set()]
        seconds = timing.interleaved(rivals, rounds=2)
    assert {name: len(turns) for name, turns in seconds.items()} == {"a": 2, "b": 2}
    of_a, of_b = ((tmp_path / name).read_text().split() for name in "ab")
    assert len(of_a) == len(of_b) == 3
    assert len({*of_a, *of_b, str(os.getpid())}) == 3


def test_a_rival_whose_process_dies_is_one_line():
    with pytest.raises(AcaiError, match="killed"):
        timing.Worker(dies)
