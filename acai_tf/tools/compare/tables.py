"""Groups of runs as tables and curves."""

import csv
import io
import math
import re

import numpy as np

from acai_tf.evaluation import EVALUATORS, load_evaluator
from acai_tf.tools.compare.runs import Run, summarise


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
            if count < cells[1]:
                cell += f" ({count})"  # not all of them have it
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
    from acai_tf.evaluation import plots

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
