"""Reproduce a table of the paper: acai-tf reproduce --table=lines|probe|clustering

Trains the runs of a table, several at a time, and writes the table of published and obtained
numbers, with each row's command, curves, and the runs' settings and reports (results/).
Interrupted, the same command resumes. Run folders are those of `acai-tf train`, so tables share
runs, and a larger --scale extends them. Earlier results stay in the table, whatever rows are
chosen.

--recipe=quick trains the paper's seven models on lines and MNIST (d = 32) for a sixteenth of the
published length, at learning rates that make up for much of it: all tables if none is named.

Other settings of `acai-tf train` (--lr=1e-3, --dtype_policy=mixed_bfloat16, --data_dir=D) apply to
all runs that read them; those that may change a result become part of file names.
"""

import argparse
import concurrent.futures
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import psutil

from acai_tf import cli
from acai_tf.config import EXECUTION_SETTINGS
from acai_tf.errors import AcaiError, Stopped, UsageError
from acai_tf.files import expanded
from acai_tf.models import MODELS
from acai_tf.tools.reproduce import rows as grid
from acai_tf.tools.reproduce import tables
from acai_tf.tools.reproduce.published import TABLES
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder

SEEDS = 5  # behind every published number
_SEVEN = "--models=baseline,dropout,denoising,vae,aae,vqvae,acai"
_QUICK = ("--scale=1/16", _SEVEN, "--schedule=trapezoid", "--probe_lr=0.003")
_QUICK_MNIST = (*_QUICK, "--datasets=mnist", "--sizes=32", "--lr=0.001")
RECIPES = {  # name -> table -> what it stands for; configs/*-quick.cfg have the settings
    "quick": {
        "lines": (*_QUICK, "--lr=0.0003"),
        "probe": _QUICK_MNIST,
        "clustering": _QUICK_MNIST,
    }
}
SEEDED = ("acai", "baseline")  # a recipe trains one seed of the other models
PER_GPU = 4  # runs; networks of depth 16 leave most of a GPU idle
MEMORY = 3.5e9  # bytes that a run takes at most


def main() -> None:
    """The command line.

    Raises:
        UsageError: bad options, no such row, a run folder of another configuration, missing data.
        CannotSave: the table cannot be written.
        Stopped: a signal came; all runs are saved.
        AcaiError: some runs failed; the others have run, and the table is written.
    """
    asked, _ = _arguments()
    if not (asked.table or asked.recipe):  # --list alone
        for name, table in TABLES.items():
            print(f"--table={name}: {', '.join(f'{d} {size}' for d, size in table.cells)}")
        return
    found, refused = [], None
    for title in [asked.table] if asked.table else TABLES:
        try:
            found.append(_Reproduction(title))
        except UsageError as error:  # another table may have such rows
            refused = error
    if not found:
        raise refused
    if asked.list:
        rows = [row for one in found for row in one.rows]
        commands = [row.shown_command(config.seed) for row in rows for config in row.configs]
        print("\n".join(dict.fromkeys(commands)))  # tables share runs
        return
    for one in found:  # all of them before anything is trained
        one.check()
    failed = [name for one in found for name in one.run()]
    if failed:
        names = ", ".join(failed)
        raise AcaiError(f"{len(failed)} runs failed ({names}); the same command tries them again")


class _Reproduction:
    """A table, its chosen rows, and all rows of which there may be earlier results."""

    def __init__(self, title: str):
        self.title, self.table = title, TABLES[title]
        self.arguments, self.given = _arguments(title)
        arguments = self.arguments
        self.rows = self._rows(
            arguments.seeds or SEEDS,
            **{name: getattr(arguments, name) for name in ("datasets", "models", "sizes")},
        )
        self.every = self._rows(max(arguments.seeds or 0, SEEDS))
        for row in self.rows:
            if arguments.recipe and not arguments.seeds and row.model not in SEEDED:
                del row.configs[1:]

    def _rows(self, seeds: int, **chosen) -> list[grid.Row]:
        arguments, common = self.arguments, {"scale": self.arguments.scale, "given": self.given}
        return grid.rows(self.table, arguments.runs_dir, seeds=seeds, **common, **chosen)

    def check(self) -> None:
        """Raise UsageError if a run folder does not fit, or data are missing; CannotSave if the
        table cannot be written."""
        for row in self.rows:
            for config in row.configs:
                RunFolder(config.run_dir).check(config)
        self.write()
        if not self.arguments.no_train and _jobs(self.rows, self.table.evaluators, self.arguments):
            _prepare({row.dataset for row in self.rows} - {"lines"}, self.given)

    def write(self) -> pathlib.Path:
        """Write the table of what there is."""
        table, arguments, rows = self.table, self.arguments, self.rows
        kept, n_init = arguments.out / tables.KEPT, arguments.n_init
        labels = {(row.dataset, row.size, row.label) for row in rows}
        found = [tables.obtained(row, table.scores, kept, n_init) for row in self.every]
        found = [
            one
            for one in found
            if one.scores or (one.row.dataset, one.row.size, one.row.label) in labels
        ]
        name = tables.table_name(self.title, rows, n_init)
        return tables.write(arguments.out, name, table, found, self._shown())

    def run(self) -> list[str]:
        """Train and evaluate what is left to do, and print the table; returns what failed."""
        arguments, failed = self.arguments, []
        jobs = _jobs(self.rows, self.table.evaluators, arguments)
        if jobs and not arguments.no_train:
            places = environments(arguments.jobs, len(jobs))
            print(f"{len(jobs)} runs, {len(places)} at a time", flush=True)
            failed = run_all(jobs, places, finished=self.write)
        file = self.write()
        print(file.read_text("utf-8"))
        print(f"wrote {file}")
        return failed

    def _shown(self) -> list[str]:
        """The options to print in the table: those that affect it, without paths."""
        given, recipe = self.arguments, self.arguments.recipe
        words = [f"--table={self.title}", *([f"--recipe={recipe}"] if recipe else [])]
        plain, settings = _arguments(self.title, words)
        shown = {"seeds": given.seeds or SEEDS} if given.seeds or not recipe else {}
        for name in ("scale", "datasets", "models", "sizes", "n_init"):
            if (value := getattr(given, name)) != getattr(plain, name):
                shown[name] = ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in self.given.items():
            if name not in EXECUTION_SETTINGS and value != settings.get(name):
                shown[name] = value
        return words + grid.words(shown)


def _arguments(
    title: str | None = None, argv: list[str] | None = None
) -> tuple[argparse.Namespace, dict]:
    """The command's own options, and the settings for all runs.

    Args:
        title: the table whose recipe they override; None: without a recipe's.
        argv: the command line; None: this process's.
    """
    parser = cli.Parser("reproduce", __doc__)
    add, default = parser.add_argument, "(default: %(default)s)"
    add("--table", choices=TABLES)
    add("--recipe", choices=RECIPES, help="settings for shorter runs; other options override them")
    seeds = f"(default: {SEEDS}; of a recipe's models but {' and '.join(SEEDED)}, 1)"
    add("--seeds", type=int, help=f"runs per row, with seeds 0, 1, ... {seeds}")
    add("--scale", type=_fraction, default=1, help=f"share of the published length {default}")
    add("--datasets", type=_words, help="only these rows: mnist,svhn")
    add("--models", type=_words, help="only these rows: acai,baseline")
    add("--sizes", type=_numbers, help="only rows of these code sizes: 32,256")
    add("--jobs", type=int, help="runs at a time (default: one per core, or four per GPU)")
    add("--n_init", type=int, default=tables.N_INIT, help=f"restarts of k-means {default}")
    add("--runs_dir", type=pathlib.Path, default="runs", help=f"folder of all runs {default}")
    add("--out", type=pathlib.Path, default="results", help=f"folder for the table {default}")
    add("--list", action="store_true", help="print the runs' commands, or all tables, and stop")
    add("--no_train", action="store_true", help="only write the table of the runs there are")
    argv = sys.argv[1:] if argv is None else argv
    recipe = RECIPES.get(parser.parse_known_args(argv)[0].recipe, {}).get(title, ())
    arguments, words = parser.parse_known_args([*recipe, *argv])
    if not (arguments.table or arguments.list or arguments.recipe):
        parser.error(f"--table is needed: {', '.join(TABLES)}")
    for name in ("seeds", "jobs", "n_init"):
        if (number := getattr(arguments, name)) is not None and number < 1:
            raise UsageError(f"--{name} must be at least 1, got {number}")
    for name in arguments.models or []:
        if name not in MODELS:
            raise UsageError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    arguments.runs_dir, arguments.out = expanded(arguments.runs_dir), expanded(arguments.out)
    return arguments, grid.read_settings(words)


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)  # 1/16 or 0.0625
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


class Job(NamedTuple):
    """What is left to do for one run: commands of acai-tf, one after the other."""

    name: str
    commands: list[list[str]]
    log: pathlib.Path


def _jobs(rows: list[grid.Row], evaluators, arguments: argparse.Namespace) -> list[Job]:
    """The runs to train or evaluate; first seeds first, so that every row has a number early."""
    jobs = []
    for seed in range(max(len(row.configs) for row in rows)):
        for row in rows:
            if seed >= len(row.configs):
                continue
            folder, commands = RunFolder(row.configs[seed].run_dir), []
            kimg, where = _kimg(folder), f"--run_dir={folder.path}"
            if kimg < row.kimg:
                commands.append(["train", *row.command(seed), where])
            measured = tables.measured(folder.path, row.kimg, arguments.n_init)
            # The weights that a longer run had at this length are gone.
            if evaluators and not measured and kimg <= row.kimg:
                paths = {n: row.settings[n] for n in ("data_dir", "cache_dir") if n in row.settings}
                chosen = {"evaluators": ",".join(evaluators), "n_init": arguments.n_init}
                commands.append(["evaluate", where, *grid.words(chosen | paths)])
            if commands:
                name = f"{row.dataset}/{folder.path.name}"
                log = arguments.runs_dir / "logs" / f"{name.replace('/', '-')}.log"
                jobs.append(Job(name, commands, log))
    return jobs


def _kimg(folder: RunFolder) -> int:
    """The length of a run at its last checkpoint, which comes after its last report."""
    saved = checkpoints.checkpoints(folder.checkpoints)
    step = int(saved[-1].stem.removeprefix("step-")) if saved else 0
    return max((r["kimg"] for r in folder.records() if r["step"] <= step), default=0)


def _prepare(datasets: set[str], given: dict) -> None:
    """Decode the datasets, so that missing data are reported now: as a UsageError."""
    paths = {n: given[n] for n in ("data_dir", "cache_dir", "svhn_extra") if n in given}
    for dataset in sorted(datasets):
        command = [sys.executable, "-m", "acai_tf", "data", dataset, *grid.words(paths)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise UsageError(done.stdout.strip().rpartition("\n")[2].removeprefix("error: "))


def environments(jobs: int | None, runs: int) -> list[dict[str, str]]:
    """The environment variables of processes that run at a time: each gets a share of the machine.

    Args:
        jobs: how many; None: one per core, or PER_GPU per GPU, as far as memory lasts.
        runs: how many runs there are; no more environments than these.
    """
    fitting = max(1, int(psutil.virtual_memory().available / MEMORY))
    if gpus := _gpus():
        count = min(jobs or min(PER_GPU * len(gpus), fitting), runs)
        return [
            {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)], **cli.SHARED_GPU} for i in range(count)
        ]
    cores = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else psutil.cpu_count()
    count = min(jobs or min(cores, fitting), runs)
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return [dict.fromkeys(names, str(max(1, cores // count)))] * count


def _gpus() -> list[str]:
    """The usable GPUs, as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True)
    return [] if answer.returncode else answer.stdout.split()  # errors are printed to stdout


def run_all(
    jobs: list[Job], places: list[dict[str, str]], finished: Callable[[], object]
) -> list[str]:
    """Run all jobs, one per place at a time, and print their reports.

    Args:
        jobs: in this order.
        places: from `environments`.
        finished: called after each job.

    Returns:
        The names of the jobs that failed.

    Raises:
        Stopped: SIGTERM, SIGINT or SIGHUP came; the runs were told to save, and have ended.
    """
    free, running, signals = queue.SimpleQueue(), [], []
    for place in places:
        free.put(place)

    def stop(number, frame=None):
        signals.append(number)
        for process in list(running):
            process.terminate()  # a run saves and ends

    def run(job: Job) -> bool:  # in a thread
        place = free.get()
        try:
            return all(_run(job, words, place, running, signals) for words in job.commands)
        finally:
            free.put(place)

    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP")]
    numbers = [n for n in numbers if n and signal.getsignal(n) != signal.SIG_IGN]  # nohup's
    before = {number: signal.signal(number, stop) for number in numbers}
    failed = []
    try:
        with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
            futures = {pool.submit(run, job): job for job in jobs}
            try:
                for future in concurrent.futures.as_completed(futures):
                    if not future.result():
                        failed.append(futures[future].name)
                    finished()
            except BaseException:
                stop(0)
                raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals:
        raise Stopped(signals[0], "stopped; all runs are saved, the same command resumes them")
    return failed


def _run(job: Job, words: list[str], place: dict[str, str], running: list, signals: list) -> bool:
    """Run a command, log its output, and print its reports; returns whether it succeeded."""
    if signals:
        return False
    print(f"{job.name}: {words[0]}, log: {job.log}", flush=True)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(job.log, "a", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            [sys.executable, "-m", "acai_tf", *words],
            env={**os.environ, **place, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a terminal's Ctrl-C reaches `stop` alone, which passes it on
        ) as process,
    ):
        running.append(process)
        if signals:  # it came meanwhile
            process.terminate()
        last = ""
        for line in process.stdout:
            log.write(line)
            log.flush()
            last = line.strip() or last
            if line.startswith(("kimg ", "warning: ")):
                print(f"{job.name}  {line}", end="", flush=True)
    running.remove(process)
    status = process.returncode
    if status and not signals:
        reason = last or f"exit status {status}"
        if status < 0:
            reason = f"killed by signal {-status} (9: probably out of memory)"
        print(f"{job.name} failed: {reason}; see {job.log}", flush=True)
    return not status
