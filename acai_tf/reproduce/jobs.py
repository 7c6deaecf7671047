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

from acai_tf.config import Config
from acai_tf.errors import Stopped, UsageError
from acai_tf.run_folder import RunFolder

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
        shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        return [{"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)], **shared} for i in range(count)]
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
    return subprocess.run(query, capture_output=True, text=True).stdout.split()


def run_all(
    jobs: list[Job], places: list[dict[str, str]], shown: list[str], ended: Callable[[], None]
) -> list[Job]:
    """Run all jobs, in their order, as many at a time as there are places.

    Each report of each run is printed; a bar shows all of them (kimg, time left).

    Args:
        jobs: what to run.
        places: what `slots` returns.
        shown: the scores to print of a report.
        ended: called whenever a job has come to its end.

    Returns:
        The jobs that failed; their `failure` says why. The others were run.

    Raises:
        UsageError: a run was refused, as the others would be: missing data, most likely.
        Stopped: SIGTERM or SIGINT came; all runs are saved.
    """
    waiting, free, running = list(jobs), list(places), {}
    total = sum(job.config.total_kimg for job in jobs)
    done = sum(job.reports * job.config.report_kimg for job in jobs)
    bar = tqdm(
        total=total, initial=done, unit="kimg", dynamic_ncols=True, disable=not sys.stderr.isatty()
    )
    with bar, _signals_stop():
        try:
            while waiting or running:
                while waiting and free:
                    job, place = waiting.pop(0), free.pop()
                    running[_start(job, place)] = job, place
                time.sleep(LOOK)
                for process, (job, place) in list(running.items()):
                    _show(job, shown, bar)
                    if process.poll() is None:
                        continue
                    del running[process]
                    _show(job, shown, bar)
                    job.commands.pop(0)
                    if process.returncode:
                        job.failure = _last_words(job.log, process.returncode)
                        tqdm.write(f"{job.name} failed: {job.failure}")
                        if process.returncode == UsageError.exit_status:
                            raise UsageError(job.failure.removeprefix("error: "))
                    elif job.commands:
                        running[_start(job, place)] = job, place
                        continue
                    free.append(place)
                    ended()
        finally:
            _stop(list(running))
    return [job for job in jobs if job.failure]


def _start(job: Job, place: dict[str, str]) -> subprocess.Popen:
    job.log.parent.mkdir(parents=True, exist_ok=True)
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
        scores = [f"{name} {record[name]:.4g}" for name in shown if record.get(name) is not None]
        length, speed = job.config.total_kimg, record["images_per_second"]
        words = [job.name, f"kimg {record['kimg']}/{length}", *scores, f"{speed:.0f} img/s"]
        tqdm.write("  ".join(words))
        bar.update(job.config.report_kimg)
    job.reports = len(records)
    sys.stdout.flush()


def _last_words(log: pathlib.Path, status: int) -> str:
    """What a process that failed said of it."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {status}"


def _stop(processes: list[subprocess.Popen]) -> None:
    """Have runs save and end; SIGTERM is what `train.py` takes for that."""
    for process in processes:
        process.terminate()
    if processes:
        print(f"waiting for {len(processes)} runs to be saved", flush=True)
    for process in processes:
        process.wait()


@contextlib.contextmanager
def _signals_stop():
    """SIGTERM and SIGINT raise Stopped within this context; an ignored one stays ignored."""

    def stop(number, frame):
        raise Stopped(number, "stopped; all runs are saved, the same command goes on with them")

    numbers = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
