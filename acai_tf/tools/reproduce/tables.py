"""Tables of published and obtained numbers as Markdown, with curves and pictures."""

import dataclasses
import json
import math
import pathlib
import shlex
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw
from tabulate import tabulate

from acai_tf.config import without_paths
from acai_tf.errors import UsageError
from acai_tf.evaluation import all_scores, plots, results
from acai_tf.files import saving, write_atomically
from acai_tf.tools.compare import last_reports, plot_curve, reports_counted
from acai_tf.tools.reproduce.published import LENGTH, Published, Table
from acai_tf.tools.reproduce.rows import Row, marks
from acai_tf.training.run_folder import RunFolder

N_INIT = 1000  # restarts of k-means, as published
KEPT = "runs"  # folder next to the tables: settings and reports of the runs behind them
SHEET_ROWS, CAPTION, GAP = 7, 14, 8  # of a picture: rows per model; pixels


@dataclasses.dataclass
class Obtained:
    """What the runs of a row reached.

    Attributes:
        row: the row.
        scores: one list per finished run, with a value per column; NaN: undefined, not measured.
        speeds: images per second of these runs.
        reports: their reports.
        unfinished: reports of shorter runs.
        folders: of all runs.
    """

    row: Row
    scores: list[list[float]] = dataclasses.field(default_factory=list)
    speeds: list[float] = dataclasses.field(default_factory=list)
    reports: list[list[dict]] = dataclasses.field(default_factory=list)
    unfinished: list[list[dict]] = dataclasses.field(default_factory=list)
    folders: list[pathlib.Path] = dataclasses.field(default_factory=list)

    @property
    def curves(self) -> list[list[dict]]:
        """The reports to plot: of the finished runs, if there are any."""
        return self.reports or self.unfinished

    def values(self, column: int) -> list[float]:
        """A column's defined values."""
        return [scores[column] for scores in self.scores if math.isfinite(scores[column])]


def obtained(row: Row, columns, kept: pathlib.Path, n_init: int | None = None) -> Obtained:
    """Read the runs of a row; longer runs count by their reports up to the row's length.

    Args:
        row: the row.
        columns: the table's `Score`s.
        kept: where `write` keeps runs, for those that are no longer in their own folder.
        n_init: for `measured`.
    """
    found = Obtained(row)
    for config in row.configs:
        own = pathlib.Path(config.run_dir)
        runs = {}
        for folder in (own, kept / row.dataset / own.name):
            try:
                RunFolder(folder).check(config)
                runs[folder] = RunFolder(folder).records()
            except UsageError:  # a run of other settings
                runs[folder] = []
        folder = max(runs, key=lambda folder: len(runs[folder]))
        reports = [report for report in runs[folder] if report["kimg"] <= row.kimg]
        if not reports:
            continue
        found.folders.append(folder)
        if reports[-1]["kimg"] < row.kimg:
            found.unfinished.append(reports)
            continue
        scores = {**measured(folder, row.kimg, n_init), **last_reports(reports)}
        found.scores.append([c.factor * scores.get(c.name, math.nan) for c in columns])
        found.speeds.append(np.median([r["images_per_second"] or 0 for r in reports]))
        found.reports.append(reports)
    return found


def measured(folder: pathlib.Path, kimg: int, n_init: int | None = None) -> dict[str, float]:
    """The scores in a run's eval.json, if it was evaluated at this kimg, with this n_init; or {}.

    Args:
        folder: the run's.
        kimg: its length then.
        n_init: restarts of k-means; None: any number.
    """
    for place in (folder, *folder.glob("evaluations/*")):  # there: of a shorter run
        saved = results.read(place) or {"about": {}, "evaluators": {}}
        scores = results.scores(saved["evaluators"])
        same = n_init is None or scores.get("clustering_n_init") == n_init
        if same and saved["about"].get("kimg") == kimg:
            return scores
    return {}


def table_name(table: str, rows: list[Row], n_init: int) -> str:
    """A table's file name: runs of other lengths or settings get other names."""
    changed = {name: value for row in rows for name, value in row.changed.items()}
    if n_init != N_INIT:
        changed["n_init"] = n_init
    return "-".join([table, f"{rows[0].kimg}kimg", *marks(changed)])


def write(
    out: pathlib.Path, name: str, table: Table, found: list[Obtained], command: list[str]
) -> pathlib.Path:
    """Write a table and its pictures, and keep its runs' settings and reports next to it.

    Args:
        out: the folder.
        name: of the files.
        table: which.
        found: its rows.
        command: options of `acai-tf reproduce`, to print.

    Returns:
        The table's file.

    Raises:
        CannotSave: the folder cannot be written.
    """
    with saving(out, "give another --out or free some space; the same command writes the table"):
        out.mkdir(parents=True, exist_ok=True)
        for one in found:
            for folder in one.folders:
                _keep(folder, out / KEPT / one.row.dataset / folder.name)
        pictures = {}
        if _curves(out / f"{name}.png", table, found):
            pictures[f"{name}.png"] = "reported scores; mean and range over seeds"
        for dataset, size in dict.fromkeys((one.row.dataset, one.row.size) for one in found):
            cell = [one for one in found if (one.row.dataset, one.row.size) == (dataset, size)]
            path = out / f"{dataset}-d{size}-{name.partition('-')[2]}.png"  # shared by tables
            if _interpolations(path, cell) or path.exists():
                pictures[path.name] = f"interpolations between test images of {dataset}, d = {size}"
        file = out / f"{name}.md"
        write_atomically(file, _page(table, found, command, pictures))
    return file


def _keep(run: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a run's settings, reports and scores, unless a longer run's are there."""
    saved, reports, kept = RunFolder(run).saved(), RunFolder(run).records(), []
    if target.resolve() == run.resolve() or len(reports) < len(kept := RunFolder(target).records()):
        return
    saved["config"] = without_paths(saved["config"])
    target.mkdir(parents=True, exist_ok=True)
    write_atomically(target / "config.json", json.dumps(saved, indent=2) + "\n")
    write_atomically(target / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in reports))
    if results.read(run):
        write_atomically(target / results.FILE, (run / results.FILE).read_text("utf-8"))
    elif reports != kept:  # the scores there are another run's
        (target / results.FILE).unlink(missing_ok=True)


def _page(table: Table, found: list[Obtained], command: list[str], pictures: dict) -> str:
    kimg, reports = found[0].row.kimg, [len(r) for one in found for r in one.reports]
    scale, last = Fraction(kimg, LENGTH), reports_counted(max(reports, default=1))
    length = "as published" if scale == 1 else f"{scale} of the published length (--scale={scale})"
    parts = [
        f"# {table.title}: {kimg:,} kimg a run, {length}",
        f"Published: after {LENGTH:,} kimg, mean ± standard deviation of 5 seeds. Obtained: for"
        f" each run {f'the median of its last {last} reports' if last > 1 else 'its last report'},"
        " or what `acai-tf evaluate` measures at its end; mean ± population standard deviation over"
        " seeds (how many, where not all). Difference: obtained - published; bold: not worse than"
        " published by more than the larger standard deviation. img/s: several runs at a time.",
        f"```sh\n{shlex.join(['acai-tf', 'reproduce', *command])}\n```",
        _body(table, found),
        *(f"![{what}]({picture})" for picture, what in pictures.items()),
        "## Commands",
        "One per row; its other runs differ in their seed.",
        "```sh\n" + "\n".join(one.row.shown_command(0) for one in found) + "\n```",
    ]
    if table.evaluators:
        chosen = f"--evaluators={','.join(table.evaluators)}"
        parts.append(f"Then, for each run, `acai-tf evaluate --run_dir=... {chosen}`.")
    return "\n\n".join(parts) + "\n"


def _body(table: Table, found: list[Obtained]) -> str:
    scores, headers = all_scores(), ["dataset", "d", "model"]
    for score in table.scores:
        headers += [f"{score.heading}: published", "obtained", "difference"]
    lines = []
    for one in found:
        row, runs = one.row, len(one.scores)
        line = [row.dataset, row.configs[0].code_size, row.label]
        for column, (score, number) in enumerate(zip(table.scores, row.published, strict=True)):
            values, digits = one.values(column), score.decimals
            line.append(_number(number.mean, number.std, digits))
            if not values:
                line += ["", ""]
                continue
            mean, std = float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None
            only = f" ({len(values)})" if len(values) < runs else ""
            difference = f"{round(mean - number.mean, digits) + 0.0:+.{digits}f}"  # no -0.00
            if not behind(values, number, scores[score.name][1]):
                difference = f"**{difference}**"
            line += [_number(mean, std, digits) + only, difference]
        seeds = f"{runs} ({len(one.unfinished)} unfinished)" if one.unfinished else runs
        lines.append([*line, seeds, f"{np.median(one.speeds):,.0f}" if runs else ""])
    headers += ["seeds", "img/s"]
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def _number(mean: float, std: float | None, decimals: int) -> str:
    return f"{mean:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def behind(values: list[float], number: Published, better: str) -> bool:
    """Whether values over seeds are worse than published by more than the larger deviation."""
    by = number.mean - float(np.mean(values))
    return (by if better == "higher" else -by) > max(number.std or 0.0, float(np.std(values)))


def _curves(path: pathlib.Path, table: Table, found: list[Obtained]) -> bool:
    """Plot a table's reported scores against kimg; False if there are none."""
    trained = [one for one in found if one.curves]
    reported = {name for one in trained for name in one.curves[0][-1]}
    panels = [  # (dataset, size, column)
        (dataset, size, column)
        for dataset, size in dict.fromkeys((one.row.dataset, one.row.size) for one in trained)
        for column, score in enumerate(table.scores)
        if score.name in reported
    ]
    if not panels:
        return False
    labels = list(dict.fromkeys(one.row.label for one in found))  # one color each, in all panels
    titles = [
        f"{data}, d = {size}: {table.scores[column].heading}" for data, size, column in panels
    ]
    figure, axes = plots.panels(*titles, columns=2, width=5.2, height=3.6)
    for ax, (dataset, size, column) in zip(axes, panels, strict=True):
        score = table.scores[column]
        for one in trained:
            if (one.row.dataset, one.row.size) == (dataset, size):
                label, color = one.row.label, plots.class_color(labels.index(one.row.label))
                plot_curve(ax, one.curves, score.name, color, label, score.factor)
                ax.axhline(one.row.published[column].mean, color=color, lw=0.8, ls=":")
        ax.set_xlabel(f"kimg (dotted: published, at {LENGTH:,})")
        if score.factor == 1e3:  # distances fall by powers of ten
            ax.set_yscale("log")
        ax.legend(fontsize="x-small")
    plots.save(figure, path)
    return True


def _interpolations(path: pathlib.Path, found: list[Obtained]) -> bool:
    """Put the tops of all models' interpolation sheets into one picture; False if there are none.

    A model's sheet is that of its first run, at the row's length.
    """
    pictures = {}
    for one in found:
        for folder in one.folders:
            sheet = folder / "sheets" / f"lerp-{one.row.kimg:06d}.png"
            if sheet.exists() and one.row.label not in pictures:
                pictures[one.row.label] = Image.open(sheet).convert("RGB")
    if not pictures:
        return False
    width = max(picture.width for picture in pictures.values())
    height = SHEET_ROWS * found[0].row.configs[0].image_size
    lines = -(-len(pictures) // 2)  # two models side by side
    whole = Image.new("RGB", (2 * width + GAP, lines * (height + CAPTION)), "white")
    draw = ImageDraw.Draw(whole)
    for index, (label, picture) in enumerate(pictures.items()):
        left, top = index % 2 * (width + GAP), index // 2 * (height + CAPTION)
        draw.text((left + 2, top + 1), label, fill="black")
        whole.paste(picture.crop((0, 0, width, height)), (left, top + CAPTION))
    whole.save(path)
    return True
