"""Compare runs: acai-tf compare runs/mnist/* [--out=comparison].

Runs that differ in their seed alone are one group. What is reported in training counts by its
median over a run's last 20 reports (section 4.1) of 256, or over the same share of a shorter run,
what only evaluate.py measures by eval.json; then mean and population standard deviation over seeds.
Prints a table in Markdown; --out=DIR gets table.md, table.tex, scores.csv (all scores of all
groups) and curves.png.
"""

import pathlib
import sys

from acai_tf import cli
from acai_tf.errors import UsageError
from acai_tf.files import expanded, write_atomically
from acai_tf.tools.compare.runs import commands, group, read_run, summarise
from acai_tf.tools.compare.tables import curves, scores_csv, table

SHOWN = (
    *("line_distance", "line_smoothness", "probe_accuracy", "linear_accuracy_100"),
    *("clustering_accuracy", "neighbours_accuracy", "realism", "test_rmse"),
)


def main() -> None:
    """The command line.

    Raises:
        UsageError: no run that can be compared, an unknown score, a folder of something else.
    """
    parser = cli.Parser("compare", __doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        help="runs, exports, pretrained models, folders that evaluate.py wrote",
    )
    parser.add_argument("--scores", help=f"columns; default: what there is of {','.join(SHOWN)}")
    parser.add_argument("--last", type=int, help="reports whose median counts; default: as above")
    parser.add_argument("--out", help="folder for table.md and the others")
    arguments = parser.parse_args()
    out = arguments.out and expanded(arguments.out)
    if arguments.last is not None and arguments.last < 1:
        raise UsageError(f"--last must be at least 1, got {arguments.last}")
    if out and out.exists() and (not out.is_dir() or _others(out)):
        raise UsageError(f"{out} holds something else; --out names a folder of its own")
    found = {}
    for path in arguments.runs:
        try:
            run = read_run(path, arguments.last)
            found.setdefault(run.path.resolve(), run)
        except UsageError as reason:
            print(f"left out: {reason}", file=sys.stderr)
    if not (runs := list(found.values())):
        raise UsageError("none of these folders can be compared")
    groups = group(runs)
    summaries = {name: summarise(members) for name, members in groups.items()}
    known = list(dict.fromkeys(name for summary in summaries.values() for name in summary))
    shown = arguments.scores.split(",") if arguments.scores else [n for n in SHOWN if n in known]
    for name in shown:
        if name not in known:
            raise UsageError(f"no run has the score {name!r}; known: {', '.join(known)}")
    print(table(summaries, shown, "markdown"))
    if missing := commands(runs, shown):
        print("\n".join(["", "not measured yet; this fills the blank cells:", *missing]))
    if not out:
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "table.md", table(summaries, shown, "markdown") + "\n")
    write_atomically(out / "table.tex", table(summaries, shown, "latex") + "\n")
    write_atomically(out / "scores.csv", scores_csv(groups))
    if figure := curves(groups, shown):
        from acai_tf.evaluation import plots

        plots.save(figure, out / "curves.png")
    print(f"written: {out} ({', '.join(sorted(path.name for path in out.iterdir()))})")


def _others(folder: pathlib.Path) -> set[str]:
    """What is in a folder that no comparison wrote."""
    ours = {"table.md", "table.tex", "scores.csv", "curves.png"}
    return {path.name for path in folder.iterdir()} - ours
