"""The published tables, obtained: acai-tf reproduce --table=lines|probe|clustering

Trains the runs of a table, several at a time, or goes on with those that are there; then writes
the table with published and obtained numbers, their difference, and the command of every row, and
beside it curves, settings and reports of the runs (results/lines-16384kimg.md, results/runs/).
Interrupted, the same command goes on. Runs are those of train.py (runs/mnist/acai-d32-seed0), so
that the tables share them, and a larger --scale lengthens them. What was obtained before stays in
the table, whatever rows are chosen.

Other settings of train.py (--lr=1e-3, --dtype_policy=mixed_bfloat16, --data_dir=D) hold for all
runs that read them, and what may change a result becomes part of the files' names.
"""

import argparse
import math
import os
import pathlib
from fractions import Fraction

from acai_tf import cli
from acai_tf.errors import AcaiError, UsageError
from acai_tf.models import MODELS
from acai_tf.tools.reproduce import grid, jobs, tables
from acai_tf.tools.reproduce.obtained import measured, obtained
from acai_tf.tools.reproduce.published import TABLES, Table
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder

SEEDS = 5  # of every published number
IMAGES = ("data_dir", "cache_dir", "svhn_extra")  # settings that say where images are, and which


def main() -> None:
    """The command line.

    Raises:
        UsageError: bad words, no such row, a run folder of another configuration, missing data.
        CannotSave: the table cannot be written.
        Stopped: a signal came; all runs are saved.
        AcaiError: some runs failed; the others were run, and the table is written.
    """
    arguments, given = _arguments()
    if not arguments.table:  # --list alone
        for name, table in TABLES.items():
            print(f"--table={name}: {', '.join(f'{d} {size}' for d, size in table.cells)}")
        return
    table, choice = TABLES[arguments.table], {"scale": arguments.scale, "given": given}
    rows = grid.rows(
        table,
        arguments.runs_dir,
        seeds=arguments.seeds,
        datasets=arguments.datasets,
        models=arguments.models,
        sizes=arguments.sizes,
        **choice,
    )
    if arguments.list:
        for row in rows:
            for config in row.configs:
                print(row.shown_command(config.seed))
        return
    for row in rows:
        for config in row.configs:
            RunFolder(config.run_dir).check(config)  # before anything is trained
    every = grid.rows(table, arguments.runs_dir, seeds=max(arguments.seeds, SEEDS), **choice)
    chosen = {row.key for row in rows}

    def write() -> pathlib.Path:
        kept = arguments.out / tables.KEPT
        found = [obtained(row, table.scores, kept, arguments.n_init) for row in every]
        found = [one for one in found if one.scores or one.row.key in chosen]
        name = tables.name(arguments.table, rows, arguments.n_init)
        return tables.write(arguments.out, name, table, found, _shown(arguments, rows))

    file, failed = write(), []  # now, for it must be known that it can be written
    if not arguments.no_train and (todo := _jobs(rows, table, arguments)):
        words = [word for word in given if word.startswith(tuple(f"--{name}" for name in IMAGES))]
        datasets = dict.fromkeys(job.config.dataset for job in todo)
        datasets = [name for name in datasets if name != "lines"]  # which are drawn on the fly
        jobs.prepare(datasets, words, arguments.runs_dir / "logs" / "data.log")
        places = jobs.slots(arguments.jobs, len(todo))
        print(f"{len(todo)} runs, {len(places)} at a time", flush=True)
        failed = jobs.run_all(todo, places, [score.name for score in table.scores], ended=write)
        file = write()
    print(file.read_text("utf-8"))
    print(f"written: {file}")
    if failed:
        names = ", ".join(job.name for job in failed)
        raise AcaiError(f"{len(failed)} runs failed ({names}); the same command tries them again")


def _arguments() -> tuple[argparse.Namespace, tuple[str, ...]]:
    """The command line: its own options, and the settings for all runs."""
    parser = cli.Parser("reproduce", __doc__)
    parser.add_argument("--table", choices=TABLES)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs a row: 0, 1, ... (5)")
    parser.add_argument("--scale", type=_scale, default=1.0, help="of the published length (1.0)")
    parser.add_argument("--datasets", type=_list, help="only these rows: mnist,svhn")
    parser.add_argument("--models", type=_list, help="only these rows: acai,baseline")
    parser.add_argument("--sizes", type=_numbers, help="only these rows, of code sizes: 32,256")
    parser.add_argument("--jobs", type=int, help="runs at a time (one a core, or four a GPU)")
    parser.add_argument(
        "--n_init", type=int, default=tables.N_INIT, help="restarts of k-means (1000)"
    )
    parser.add_argument("--runs_dir", type=_folder, default="runs", help="of all runs (runs)")
    parser.add_argument("--out", type=_folder, default="results", help="for the table (results)")
    parser.add_argument(
        "--list",
        action="store_true",
        help="print the commands of a table's runs, or all tables; run nothing",
    )
    parser.add_argument("--no_train", action="store_true", help="only write what is there")
    arguments, words = parser.parse_known_args()
    if not (arguments.table or arguments.list):
        parser.error(f"--table is needed: {', '.join(TABLES)}")
    for name in ("seeds", "jobs", "n_init"):
        if (number := getattr(arguments, name)) is not None and number < 1:
            raise UsageError(f"--{name} must be at least 1, got {number}")
    for name in arguments.models or []:
        if name not in MODELS:
            raise UsageError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    if not (grid.ROOT / "train.py").exists():
        raise UsageError(
            f"there is no train.py in {grid.ROOT}: run this in a clone of the repository, installed"
            " with pip install -e ."
        )
    return arguments, grid.read_settings(words)


def _jobs(rows: list[grid.Row], table: Table, arguments: argparse.Namespace) -> list[jobs.Job]:
    """What is left to do; first seeds first, so that all rows are there early."""
    todo = []
    for seed in range(arguments.seeds):
        for row in rows:
            config = row.configs[seed]
            folder, commands = RunFolder(config.run_dir), []
            if not _trained(folder, row.kimg, config.export):
                words = [*row.command(seed), f"--run_dir={config.run_dir}"]
                commands.append([str(grid.ROOT / "train.py"), *words])
            if table.evaluators and not measured(folder.path, row.kimg, arguments.n_init):
                words = [f"--run_dir={config.run_dir}", f"--n_init={arguments.n_init}"]
                words.append(f"--evaluators={','.join(table.evaluators)}")
                words += [w for w in row.settings if w.startswith(("--data_dir", "--cache_dir"))]
                longer = folder.records() and folder.records()[-1]["kimg"] > row.kimg
                if not longer:  # its weights at this length are gone
                    commands.append([str(grid.ROOT / "evaluate.py"), *words])
            if commands:
                log = arguments.runs_dir / "logs" / f"{row.dataset}-{folder.path.name}.log"
                todo.append(jobs.Job(config, commands, log))
    return todo


def _trained(folder: RunFolder, kimg: int, export: bool) -> bool:
    """Whether a run has come to this length, its last checkpoint and any export written too."""
    records = folder.records()
    if not records or records[-1]["kimg"] < kimg:
        return False
    if records[-1]["kimg"] > kimg:
        return True
    saved = checkpoints.checkpoints(folder.checkpoints)
    last = saved and saved[-1].stem == f"step-{records[-1]['step']:08d}"
    exports = export and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    return bool(last) and (not exports or (folder.path / "saved_model").exists())


def _shown(arguments: argparse.Namespace, rows: list[grid.Row]) -> list[str]:
    """The command line that made a table, without where things lie on this machine."""
    words = [f"--table={arguments.table}", f"--seeds={arguments.seeds}"]
    if arguments.scale != 1:
        words.append(f"--scale={Fraction(arguments.scale).limit_denominator(1 << 14)}")
    for name in ("datasets", "models", "sizes"):
        if chosen := getattr(arguments, name):
            words.append(f"--{name}={','.join(map(str, chosen))}")
    if arguments.n_init != tables.N_INIT:
        words.append(f"--n_init={arguments.n_init}")
    return [*words, *dict.fromkeys(word for row in rows for word in row.told)]


def _scale(text: str) -> float:
    try:
        number = float(Fraction(text))  # 1/16, too
    except (ValueError, ZeroDivisionError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return number


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in _list(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of sizes") from None


def _folder(text: str) -> pathlib.Path:
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise argparse.ArgumentTypeError(f"{text!r} is no folder ({error})") from None
