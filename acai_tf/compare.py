"""Compare runs: python -m acai_tf.compare runs/mnist/* [--out=comparison].

Runs that differ in their seed alone are one group. What is reported in training counts by its
median over a run's last 20 reports (section 4.1) of 256, or over the same share of a shorter run,
what only evaluate.py measures by eval.json; then mean and population standard deviation over seeds.
Prints a table in Markdown; --out=DIR gets table.md, table.tex, scores.csv (all scores of all
groups) and curves.png.
"""

import argparse
import csv
import dataclasses
import io
import json
import math
import pathlib
import re
import sys

import numpy as np

from acai_tf import command
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS, load_evaluator
from acai_tf.evaluation import results as evaluation
from acai_tf.files import write_atomically
from acai_tf.run_folder import RunFolder

LAST, PUBLISHED = 20, 256  # reports whose median counts, of so many
NOT_A_SCORE = {"step", "kimg", "images_per_second"}
NOT_OF_A_GROUP = {"seed", "run_dir", "data_dir", "cache_dir", "original"}
SHOWN = (
    *("line_distance", "line_smoothness", "probe_accuracy", "linear_accuracy_100"),
    *("clustering_accuracy", "neighbours_accuracy", "realism", "test_rmse"),
)


@dataclasses.dataclass
class Run:
    """One run's scores.

    Attributes:
        path: its folder.
        settings: what tells its group from others.
        records: its reports.
        scores: name -> value.
        kimg: how far it is; None: it was not trained.
    """

    path: pathlib.Path
    settings: dict
    records: list[dict]
    scores: dict[str, float]
    kimg: float | None


def read_run(path: str, last: int | None = None) -> Run:
    """A run folder, or one that evaluate.py wrote for something else.

    Args:
        path: the folder.
        last: as `last_reports` takes it.

    Raises:
        UsageError: it is neither, or has no finished report and no eval.json yet.
    """
    folder = RunFolder(path)
    evaluated = evaluation.read(folder.path)
    measured = evaluation.scores(evaluated["evaluators"]) if evaluated else {}
    if not (folder.path / "config.json").exists() and evaluated:
        about = evaluated["about"]
        settings = {name: about[name] for name in ("model", "dataset")}
        return Run(folder.path, settings, [], measured, about.get("kimg"))
    config = folder.config().to_dict()
    records = folder.records()
    if not records and not measured:
        raise UsageError(f"{path} has no finished report yet")
    settings = {name: value for name, value in config.items() if name not in NOT_OF_A_GROUP}
    settings.pop("total_kimg")  # how far it is counts, not how far it is to go
    kimg = records[-1]["kimg"] if records else evaluated["about"].get("kimg")
    return Run(folder.path, settings, records, measured | last_reports(records, last), kimg)


def last_reports(records: list[dict], last: int | None = None) -> dict[str, float]:
    """Of each reported score the median over the last reports; those undefined do not count.

    Args:
        records: a run's reports.
        last: how many; None: 20 of 256, as published, or the same share of fewer.
    """
    if last is None:
        last = min(LAST, max(1, round(len(records) * LAST / PUBLISHED)))
    scores = {}
    for name in records[-1] if records else ():
        values = [record.get(name) for record in records[-last:]]
        values = [value for value in values if value is not None]
        if name not in NOT_A_SCORE:
            scores[name] = float(np.median(values)) if values else float("nan")
    return scores


def group(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs that differ in their seed alone, by a name that says what the group is."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([run.settings, run.kimg], sort_keys=True)
        groups.setdefault(key, []).append(run)
    firsts = [members[0] for members in groups.values()]
    names = {}
    for first, members in zip(firsts, groups.values(), strict=True):
        peers = [one for one in firsts if one.settings["model"] == first.settings["model"]]
        words = [first.settings["model"]]
        if len({one.settings["dataset"] for one in firsts}) > 1:
            words.append(first.settings["dataset"])
        defaults = Config().to_dict()
        for setting, value in first.settings.items():
            others = [one.settings.get(setting, defaults.get(setting)) for one in peers]
            if setting not in ("model", "dataset") and any(value != other for other in others):
                words.append(f"{setting}={value}")
        if any(one.kimg != first.kimg for one in firsts) and first.kimg is not None:
            words.append(f"{first.kimg:g} kimg")
        names[" ".join(words)] = members
    return names


def summarise(members: list[Run]) -> dict[str, tuple[float, float, int]]:
    """Score -> (mean, population standard deviation, number of seeds) over a group.

    Runs in which a score is undefined do not count.
    """
    summary = {}
    for name in dict.fromkeys(name for run in members for name in run.scores):
        values = [run.scores[name] for run in members if name in run.scores]
        values = [value for value in values if math.isfinite(value)]
        if values:
            summary[name] = (float(np.mean(values)), float(np.std(values)), len(values))
    return summary


def directions() -> dict[str, str]:
    """Score -> "higher" or "lower", whichever is better; "" where neither is."""
    return {
        name: better
        for evaluator in EVALUATORS
        for name, (_, better) in getattr(load_evaluator(evaluator), "SCORES", {}).items()
    }


def table(summaries: dict[str, dict], shown: list[str], style: str) -> str:
    """One row per group, one column per score, the best of each column in bold.

    Args:
        summaries: group -> what `summarise` returns.
        shown: scores.
        style: "markdown" or "latex".
    """
    from tabulate import tabulate

    bold = {"markdown": "**{}**", "latex": r"\textbf{{{}}}"}[style]
    sign = {"markdown": "±", "latex": r"$\pm$"}[style]
    better = directions()
    best = {}
    for score in shown:
        means = [summary[score][0] for summary in summaries.values() if score in summary]
        if better.get(score) and len(means) > 1:
            best[score] = max(means) if better[score] == "higher" else min(means)
    rows = []
    for name, summary in summaries.items():
        cells = [name, max((count for _, _, count in summary.values()), default=0)]
        for score in shown:
            if score not in summary:
                cells.append("")
                continue
            mean, std, count = summary[score]
            cell = f"{mean:.4g}" + (f" {sign} {std:.2g}" if count > 1 else "")
            cells.append(bold.format(cell) if best.get(score) == mean else cell)
        rows.append(cells)
    headers = ["", "seeds", *shown]
    if style == "latex":
        rows, headers = (
            [[re.sub(r"([_%&#])", r"\\\1", str(cell)) for cell in row] for row in part]
            for part in (rows, [headers])
        )
        return tabulate(rows, headers[0], tablefmt="latex_raw", disable_numparse=True)
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def scores_csv(groups: dict[str, list[Run]]) -> str:
    """All scores of all groups, one a row, with each run's own value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "score", "mean", "std", "seeds", "runs", "values"])
    for name, members in groups.items():
        for score, (mean, std, count) in summarise(members).items():
            own = [run for run in members if math.isfinite(run.scores.get(score, float("nan")))]
            paths = ";".join(str(run.path) for run in own)
            values = ";".join(repr(run.scores[score]) for run in own)
            writer.writerow([name, score, mean, std, count, paths, values])
    return text.getvalue()


def curves(groups: dict[str, list[Run]], shown: list[str]):
    """Reported scores against kimg: the mean over seeds of each group, and its range."""
    from acai_tf import plots

    trained = {name: members for name, members in groups.items() if members[0].records}
    reported = {name for members in trained.values() for name in members[0].records[-1]}
    names = [name for name in shown if name in reported]
    if not names:
        return None
    figure, axes = plots.panels(*names, columns=3, width=4.2, height=3.2)
    for score, ax in zip(names, axes, strict=True):
        for index, (name, members) in enumerate(trained.items()):
            by_kimg = [{r["kimg"]: r.get(score) for r in run.records} for run in members]
            kimg = sorted(set(by_kimg[0]).intersection(*by_kimg[1:]))
            values = np.array([[own[k] for k in kimg] for own in by_kimg], float)
            color = plots.class_color(index)
            ax.fill_between(kimg, values.min(0), values.max(0), color=color, alpha=0.2, lw=0)
            ax.plot(kimg, values.mean(0), color=color, label=name)
        ax.set(xlabel="kimg")
    axes[0].legend(fontsize="small")
    return figure


class _Parser(argparse.ArgumentParser):
    """Bad words are bad input, as anywhere."""

    def error(self, message):
        raise UsageError(f"{message} ({self.prog} --help says what there is)")


def main() -> None:
    """The command line.

    Raises:
        UsageError: no run that can be compared, an unknown score, a folder of something else.
    """
    parser = _Parser(prog="python -m acai_tf.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("runs", nargs="+", help="folders of runs, or that evaluate.py wrote")
    parser.add_argument("--scores", help=f"columns; default: what there is of {','.join(SHOWN)}")
    parser.add_argument("--last", type=int, help="reports whose median counts; default: as above")
    parser.add_argument("--out", type=pathlib.Path, help="folder for table.md and the others")
    arguments = parser.parse_args()
    out = arguments.out
    if arguments.last is not None and arguments.last < 1:
        raise UsageError(f"--last must be at least 1, got {arguments.last}")
    if out and out.exists() and (not out.is_dir() or _others(out)):
        raise UsageError(f"{out} holds something else; --out names a folder of its own")
    runs = []
    for path in dict.fromkeys(arguments.runs):
        try:
            runs.append(read_run(path, arguments.last))
        except UsageError as reason:
            print(f"left out: {reason}", file=sys.stderr)
    if not runs:
        raise UsageError("none of these folders can be compared")
    groups = group(runs)
    summaries = {name: summarise(members) for name, members in groups.items()}
    known = list(dict.fromkeys(name for summary in summaries.values() for name in summary))
    shown = arguments.scores.split(",") if arguments.scores else [n for n in SHOWN if n in known]
    for name in shown:
        if name not in known:
            raise UsageError(f"no run has the score {name!r}; known: {', '.join(known)}")
    print(table(summaries, shown, "markdown"))
    if not out:
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "table.md", table(summaries, shown, "markdown") + "\n")
    write_atomically(out / "table.tex", table(summaries, shown, "latex") + "\n")
    write_atomically(out / "scores.csv", scores_csv(groups))
    if figure := curves(groups, shown):
        from acai_tf import plots

        plots.save(figure, out / "curves.png")
    print(f"written: {out} ({', '.join(sorted(path.name for path in out.iterdir()))})")


def _others(folder: pathlib.Path) -> set[str]:
    """What is in a folder that no comparison wrote."""
    ours = {"table.md", "table.tex", "scores.csv", "curves.png"}
    return {path.name for path in folder.iterdir()} - ours


if __name__ == "__main__":
    sys.exit(command.run(main))
