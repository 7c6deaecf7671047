"""Several runs at a time, each a process of its own; interrupted together, and gone on with."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
from tqdm import tqdm

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.errors import Stopped, UsageError
from acai_tf.training.run_folder import RunFolder

PER_GPU = 4  # networks of depth 16 leave most of one idle
MEMORY = 3.5e9  # bytes that a run takes at its peak with the largest of the published datasets
LOOK = 1.0  # seconds between looks at what runs


@dataclasses.dataclass
class Job:
    """A run that is to be trained to its end, evaluated, or both.

    Attributes:
        config: of the run, with its folder.
        commands: one after another: words after `python`.
        log: the file that they write to.
    """

    config: Config
    commands: list[list[str]]
    log: pathlib.Path
    log_begins: int = 0  # bytes that were there before its command
    failure: str | None = None

    def __post_init__(self):
        self.folder = RunFolder(self.config.run_dir)
        self.name = f"{self.folder.path.parent.name}/{self.folder.path.name}"
        self.reports = len(self.folder.records())


def slots(jobs: int | None, runs: int) -> list[dict[str, str]]:
    """The environments of processes that run at a time: each has its share of the machine.

    Args:
        jobs: how many; None: one a core, or PER_GPU a GPU, as far as memory lasts.
        runs: how many there are to be run: no more places than these.
    """
    free = max(1, int(psutil.virtual_memory().available / MEMORY))
    if gpus := _gpus():
        count = min(jobs or min(PER_GPU * len(gpus), free), runs)
        return [
            {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)], **cli.SHARED_GPU} for i in range(count)
        ]
    cores = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else psutil.cpu_count()
    count = min(jobs or min(cores, free), runs)
    threads = str(max(1, cores // count))
    # Two runs with a thread each are faster than one with two after the other.
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return [dict.fromkeys(names, threads)] * count


def _gpus() -> list[str]:
    """The GPUs that a process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True)
    return [] if answer.returncode else answer.stdout.split()  # its own errors are on stdout


def prepare(datasets: list[str], words: list[str], log: pathlib.Path) -> None:
    """Have the images of all datasets decoded, before hours are spent on the first of them.

    Args:
        datasets: their names.
        words: where they lie: "--data_dir=D".
        log: the file that is written to.

    Raises:
        UsageError: those of one are missing; says what to do.
    """
    for dataset in datasets:
        log.parent.mkdir(parents=True, exist_ok=True)
        begin = log.stat().st_size if log.exists() else 0
        with open(log, "a") as file:
            prepared = [sys.executable, "-m", "acai_tf", "data", dataset, *words]
            status = subprocess.run(prepared, stdout=file, stderr=file).returncode
        if status:
            raise UsageError(_last_words(log, begin, status).removeprefix("error: "))


def run_all(
    jobs: list[Job], places: list[dict[str, str]], shown: list[str], ended: Callable[[], None]
) -> list[Job]:
    """Run all jobs, in their order, as many at a time as there are places.

    Each report of each run is printed; a bar shows all of them (kimg, time left). Where another
    process trains a run, it is waited for.

    Args:
        jobs: what to run.
        places: what `slots` returns.
        shown: the scores to print of a report.
        ended: called whenever a job has come to its end.

    Returns:
        The jobs that failed; their `failure` says why. The others were run.

    Raises:
        Stopped: SIGTERM, SIGINT or SIGHUP came; all runs are saved.
    """
    waiting, free, running, told = list(jobs), list(places), {}, False
    total = sum(job.config.total_kimg for job in jobs)
    done = sum(job.reports * job.config.report_kimg for job in jobs)
    bar = tqdm(
        total=total, initial=done, unit="kimg", dynamic_ncols=True, disable=not sys.stderr.isatty()
    )
    with bar, _stopped_together(running) as signals:
        while waiting or running:
            if signals:
                words = "stopped; all runs are saved, the same command goes on with them"
                raise Stopped(signals[0], words)
            ready = [job for job in waiting if free and not job.folder.busy()]
            if not (ready or running or told):
                tqdm.write("another process is at what is left to do; waiting for it")
                told = True
            for job in ready[: len(free)]:
                waiting.remove(job)
                place = free.pop()
                running[_start(job, place)] = job, place
            time.sleep(LOOK)
            for process, (job, place) in list(running.items()):
                status = process.poll()
                _show(job, shown, bar)
                if status is None:
                    continue
                del running[process]
                job.commands.pop(0)
                if not status and job.commands:
                    running[_start(job, place)] = job, place
                    continue
                if status:
                    job.failure = _last_words(job.log, job.log_begins, status)
                    tqdm.write(f"{job.name} failed: {job.failure}")
                free.append(place)
                ended()
    return [job for job in jobs if job.failure]


def _start(job: Job, place: dict[str, str]) -> subprocess.Popen:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.log_begins = job.log.stat().st_size if job.log.exists() else 0
    tqdm.write(f"{job.name}  {pathlib.Path(job.commands[0][0]).name}, log: {job.log}")
    with open(job.log, "a") as log:
        return subprocess.Popen(
            [sys.executable, *job.commands[0]],
            env={**os.environ, **place},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a terminal's Ctrl-C reaches us alone, and we tell them
        )


def _show(job: Job, shown: list[str], bar: tqdm) -> None:
    """Print the reports that a run has made since the last look."""
    for record in (records := job.folder.records())[job.reports :]:
        words = [job.name, f"kimg {record['kimg']}/{job.config.total_kimg}"]
        words += [f"{name} {record[name]:.4g}" for name in shown if record.get(name) is not None]
        if (speed := record.get("images_per_second")) is not None:
            words.append(f"{speed:.0f} img/s")
        tqdm.write("  ".join(words))
        bar.update(job.config.report_kimg)
    job.reports = len(records)
    sys.stdout.flush()


def _last_words(log: pathlib.Path, begin: int, status: int) -> str:
    """What a process that failed said of it: the last line after the first `begin` bytes."""
    if status < 0:
        return f"signal {-status} ended it (9: most likely there was no memory left); see {log}"
    lines = log.read_bytes()[begin:].decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), f"exit status {status}")


@contextlib.contextmanager
def _stopped_together(running: dict[subprocess.Popen, tuple]):
    """Gives the list of SIGTERM, SIGINT and SIGHUP that came; an ignored one stays ignored.

    However the context ends, what runs is told to save and end, which is what train.py makes of
    SIGTERM, and waited for; a second signal is passed on.
    """

    def note(number, frame):
        received.append(number)
        if len(received) > 1:
            _terminate(running)

    received = []
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP")]
    numbers = [n for n in numbers if n is not None and signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        if running:
            print(f"waiting for {len(running)} runs to be saved", flush=True)
        _terminate(running)
        for process in running:
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(processes) -> None:
    for process in list(processes):
        process.terminate()
