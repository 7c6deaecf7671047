"""The published tables, obtained: python -m acai_tf.reproduce --table=lines|probe|clustering

Trains the runs of a table, several at a time, or goes on with those that are there; then writes
the table with published and obtained numbers, their difference, and the command of every row, and
beside it curves, settings and reports of the runs (results/lines-16384kimg.md, results/runs/).
Interrupted, the same command goes on. Runs are those of train.py (runs/mnist/acai-d32-seed0), so
that the tables share them, and a larger --scale lengthens them.

Other settings of train.py (--lr=1e-3, --dtype_policy=mixed_bfloat16, --data_dir=D) hold for all
runs that read them, and what may change a result becomes part of the files' names.
"""

import argparse
import pathlib
import sys
from fractions import Fraction

from acai_tf import command
from acai_tf.errors import AcaiError, UsageError
from acai_tf.models import MODELS
from acai_tf.reproduce import grid, jobs, tables
from acai_tf.reproduce.obtained import measured, obtained
from acai_tf.reproduce.published import TABLES
from acai_tf.run_folder import RunFolder

SEEDS = 5  # of every published number


def main() -> None:
    """The command line.

    Raises:
        UsageError: bad words, no such row, a run folder of another configuration, missing data.
        Stopped: a signal came; all runs are saved.
        AcaiError: some runs failed; the others were run, and the table is written.
    """
    parser = command.Parser("acai_tf.reproduce", __doc__)
    parser.add_argument("--table", required=True, choices=TABLES)
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help="runs a row, of seeds 0, 1, ... (5)"
    )
    parser.add_argument("--scale", type=_scale, default=1.0, help="of the published length (1.0)")
    parser.add_argument("--datasets", type=_list, help="only these rows: mnist,svhn")
    parser.add_argument("--models", type=_list, help="only these rows: acai,baseline")
    parser.add_argument("--sizes", type=_numbers, help="only these rows, of code sizes: 32,256")
    parser.add_argument("--jobs", type=int, help="runs at a time (one a core, or four a GPU)")
    parser.add_argument("--n_init", type=int, default=1000, help="restarts of k-means (1000)")
    parser.add_argument("--runs_dir", type=_folder, default="runs", help="of all runs (runs)")
    parser.add_argument("--out", type=_folder, default="results", help="for the table (results)")
    parser.add_argument("--list", action="store_true", help="print the runs' commands, run nothing")
    parser.add_argument(
        "--no_train", action="store_true", help="only write what the runs there reached"
    )
    arguments, words = parser.parse_known_args()
    for name in ("seeds", "jobs", "n_init"):
        if (number := getattr(arguments, name)) is not None and number < 1:
            raise UsageError(f"--{name} must be at least 1, got {number}")
    if not (grid.ROOT / "train.py").exists():
        raise UsageError(
            f"there is no train.py in {grid.ROOT}: run this in a clone of the repository, installed"
            " with pip install -e ."
        )
    table, given = TABLES[arguments.table], grid.read_settings(words)
    rows = grid.rows(
        table,
        arguments.runs_dir,
        arguments.seeds,
        arguments.scale,
        given,
        arguments.datasets,
        _known(arguments.models, MODELS),
        arguments.sizes,
    )
    if arguments.list:
        for config_row in rows:
            for seed in range(arguments.seeds):
                print(config_row.shown_command(seed))
        return
    for row in rows:
        for config in row.configs:
            RunFolder(config.run_dir).check(config)  # before anything is trained

    columns, n_init = table.scores, arguments.n_init
    # What was obtained before stays in the table, whatever rows are chosen now.
    seeds = max(arguments.seeds, SEEDS)
    every = grid.rows(table, arguments.runs_dir, seeds, arguments.scale, given)
    chosen = {(row.dataset, row.size, row.model) for row in rows}

    def write():
        found = [obtained(row, columns, arguments.out / tables.KEPT, n_init) for row in every]
        found = [
            one
            for one in found
            if one.scores or (one.row.dataset, one.row.size, one.row.model) in chosen
        ]
        name = tables.name(arguments.table, rows[0], given)
        return tables.write(arguments.out, name, table, found, _shown(sys.argv[1:], given))

    file = write()  # now, for it must be known that it can be written
    failed = []
    if not arguments.no_train and (todo := _jobs(rows, table.evaluators, arguments)):
        places = jobs.slots(arguments.jobs, len(todo))
        print(f"{len(todo)} runs, {len(places)} at a time")
        shown = [score.name for score in columns]
        failed = jobs.run_all(todo, places, shown, ended=write)
        file = write()
    print(file.read_text())
    print(f"written: {file}")
    if failed:
        names = ", ".join(job.name for job in failed)
        raise AcaiError(f"{len(failed)} runs failed ({names}); the same command tries them again")


def _jobs(rows: list[grid.Row], evaluators: tuple[str, ...], arguments) -> list[jobs.Job]:
    """What is left to do; first seeds first, so that all rows are there early."""
    todo = []
    for seed in range(arguments.seeds):
        for row in rows:
            config = row.configs[seed]
            folder = RunFolder(config.run_dir)
            records, commands = folder.records(), []
            at = records[-1]["kimg"] if records else 0
            if at < row.kimg:
                train = [*row.command(seed), f"--run_dir={config.run_dir}"]
                commands.append([str(grid.ROOT / "train.py"), *train])
            if evaluators and at <= row.kimg:
                n_init = arguments.n_init
                if at < row.kimg or not measured(folder.path, row.kimg, n_init):
                    chosen = f"--evaluators={','.join(evaluators)}"
                    words = [f"--run_dir={config.run_dir}", chosen, f"--n_init={n_init}"]
                    words += [
                        w for w in row.settings if w.startswith(("--data_dir", "--cache_dir"))
                    ]
                    commands.append([str(grid.ROOT / "evaluate.py"), *words])
            if commands:
                log = arguments.runs_dir / "logs" / f"{row.dataset}-{folder.path.name}.log"
                todo.append(jobs.Job(config, commands, log))
    return todo


def _shown(words: list[str], given: tuple[str, ...]) -> list[str]:
    """The command line that made a table, without where things lie on this machine."""
    ours = ("--table", "--seeds", "--scale", "--datasets", "--models", "--sizes", "--n_init")
    kept = [word for word in words if word.startswith(ours)]
    return [*kept, *grid.differing(given)]


def _scale(text: str) -> float:
    try:
        return float(Fraction(text))  # 1/16, too
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in _list(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of sizes") from None


def _folder(text: str) -> pathlib.Path:
    return pathlib.Path(text).expanduser()


def _known(names: list[str] | None, known) -> list[str] | None:
    for name in names or []:
        if name not in known:
            raise UsageError(f"unknown model {name!r}; known: {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(command.run(main))
