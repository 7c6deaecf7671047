"""How the benchmarks measure: candidates take turns, and the median of the ratios of their turns
counts, so that other work on the machine does not decide."""

import argparse
import contextlib
import json
import multiprocessing
import os
import pathlib
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable

from tabulate import tabulate

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # acai_tf, from an uninstalled clone

from acai_tf import cli
from acai_tf.errors import AcaiError, UsageError
from acai_tf.training import preemption

MODELS = ("baseline", "denoising", "dropout", "vae", "aae", "vqvae", "acai")  # the paper's
Rows = list[dict[str, str | int | float | None]]


def main(benchmark: Callable[[argparse.Namespace], Rows], **numbers: tuple[int, str]) -> int:
    """A benchmark's command line: prints its rows as a table; returns the exit status.

    Args:
        benchmark: a function of the options; its module's docstring is the help.
        numbers: its own options, each (default, help).
    """
    parser = argparse.ArgumentParser(description=sys.modules[benchmark.__module__].__doc__)
    parser.add_argument("--model", default="acai", choices=(*MODELS, "all"))
    parser.add_argument("--size", default="all", choices=("all", "lines", "mnist", "svhn"))
    parser.add_argument("--dtype_policy", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--json", type=pathlib.Path, help="file to write the table to, too")
    numbers = {"rounds": (7, "turns per candidate"), **numbers}
    for name, (default, text) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (%(default)s)")

    def run():
        arguments = parser.parse_args()
        for name in numbers:
            if getattr(arguments, name) < 1:
                raise UsageError(f"--{name} must be at least 1, got {getattr(arguments, name)}")
        if arguments.json:
            arguments.json.touch()  # fails now rather than at the end
        for name, value in cli.SHARED_GPU.items():
            os.environ.setdefault(name, value)
        cli.load_backend()
        rows = benchmark(arguments)
        print(table(rows))
        if arguments.json:
            saved = {"benchmark": benchmark.__name__, "machine": machine(), "rows": rows}
            arguments.json.write_text(json.dumps(saved, indent=2) + "\n")

    return cli.run(run)


class Worker:
    """A candidate in a process of its own; a call runs one turn there and waits for its end.

    Args:
        prepare: a module's function, called there; returns (a turn, a function without arguments;
            facts).
        arguments: of `prepare`.

    Attributes:
        facts: from `prepare`.

    Raises:
        AcaiError: the process failed, or was killed.
    """

    def __init__(self, prepare: Callable, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(pipe, prepare, *arguments))
        before = preemption.handle(signal.SIG_IGN)  # inherited: only the parent gets signals
        self._process.start()
        preemption.restore(before)
        pipe.close()
        self.facts = self._answer()

    def __call__(self) -> None:
        with contextlib.suppress(ConnectionError):  # reported by `_answer`
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
            raise AcaiError("a worker process failed, or was killed for its memory") from error


def _serve(pipe, prepare: Callable, *arguments) -> None:
    take_turn, facts = prepare(*arguments)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent has closed the pipe
        pipe.send(facts)
        while True:
            pipe.recv()
            take_turn()
            pipe.send(None)


def interleaved(candidates: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each candidate's turns, after one turn each that does not count."""
    seconds = {name: [] for name in candidates}
    for turn in range(-1, rounds):
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def rates(seconds: dict[str, list[float]], count: int, unit: str = "img/s") -> Rows:
    """A row per candidate: the rate of `count` in its median time, and its time relative to the
    first candidate's, as the median of the ratios of their turns."""
    first = next(iter(seconds))
    return [
        {
            "candidate": name,
            unit: count / statistics.median(turns),
            f"time / {first}": ratio(turns, seconds[first]),
        }
        for name, turns in seconds.items()
    ]


def ratio(seconds: list[float], others: list[float]) -> float:
    """The median of the ratios of turns."""
    return statistics.median(a / b for a, b in zip(seconds, others, strict=True))


def machine() -> dict:
    """The machine and versions that were measured."""
    import keras  # seconds

    backend = keras.backend.backend()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "keras": keras.__version__,
        "backend": f"{backend} {sys.modules[backend].__version__}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def table(rows: Rows) -> str:
    """Rows as Markdown, with a column for every key of any row."""
    texts = [{name: _text(value) for name, value in row.items()} for row in rows]
    return tabulate(texts, headers="keys", tablefmt="github", disable_numparse=True)


def _text(value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
