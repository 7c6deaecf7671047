"""Rivals take turns; what counts is the median of the ratios of their turns.

So a machine that is busy with other things does not decide.
"""

import contextlib
import json
import multiprocessing
import os
import pathlib
import platform
import signal
import statistics
import time
from collections.abc import Callable

from acai_tf.errors import AcaiError
from acai_tf.training import preemption

Rows = list[dict[str, str | int | float | None]]


class Worker:
    """A rival in a process of its own; calling it takes one turn there, and waits for its end.

    Args:
        prepare: a function of a module, called there; returns (a turn: a function without
            arguments, facts to hand back).
        arguments: of `prepare`.

    Attributes:
        facts: what `prepare` said.

    Raises:
        AcaiError: the process has ended: it failed, or was killed for its memory.
    """

    def __init__(self, prepare: Callable, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, *arguments))
        before = preemption.handle(
            signal.SIG_IGN
        )  # the child inherits it: signals are the parent's
        self._process.start()
        preemption.restore(before)
        theirs.close()
        self.facts = self._answer()

    def __call__(self) -> None:
        with contextlib.suppress(ConnectionError):  # it has ended, as `_answer` says
            self._pipe.send(None)
        self._answer()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def _answer(self):
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise AcaiError("a rival's process failed, or was killed for its memory") from error


def _serve(pipe, prepare: Callable, *arguments) -> None:
    """What a worker's process does, until its parent closes the pipe or is gone."""
    take_turn, facts = prepare(*arguments)
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send(facts)
        while True:
            pipe.recv()
            take_turn()
            pipe.send(None)


def interleaved(rivals: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each rival's turns; each is run once beforehand, unmeasured."""
    seconds = {name: [] for name in rivals}
    for turn in range(-1, rounds):
        for name, run in rivals.items():
            began = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def times(seconds: dict[str, list[float]], name: str, against: str) -> float:
    """How many times as long one rival takes as another, by the median of ratios of turns."""
    pairs = zip(seconds[name], seconds[against], strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def rates(seconds: dict[str, list[float]], count: int, against: str, unit: str = "img/s") -> Rows:
    """A row for each rival: `count` in its median time, and its time relative to another's."""
    return [
        {
            "rival": name,
            unit: count / statistics.median(turns),
            f"time / {against}": times(seconds, name, against),
        }
        for name, turns in seconds.items()
    ]


def machine() -> dict:
    """What was measured on."""
    import keras

    backend = keras.backend.backend()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "keras": keras.__version__,
        "backend": f"{backend} {__import__(backend).__version__}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(rows: Rows) -> str:
    """Rows in Markdown, a column for every name that is in any of them."""
    from tabulate import tabulate

    texts = [{name: _text(value) for name, value in row.items()} for row in rows]
    return tabulate(texts, headers="keys", tablefmt="github", disable_numparse=True)


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def save(path: str, name: str, rows: Rows) -> None:
    """The same as JSON, with what it was measured on."""
    text = json.dumps({"benchmark": name, "machine": machine(), "rows": rows}, indent=2)
    pathlib.Path(path).write_text(text + "\n")
