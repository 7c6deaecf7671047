"""Compare runs: acai-tf compare runs/mnist/* [--out=comparison]

Runs that differ only in their seed form a group. A score from training is the median over a run's
last 20 of 256 reports (section 4.1), or over the same share of a shorter run; other scores come
from eval.json. Each cell is the mean over seeds, with the population standard deviation. Prints a
Markdown table; --out=DIR also writes table.md, table.tex, scores.csv (every score of every group)
and curves.png.
"""

import dataclasses
import math
import pathlib
import re
import shlex
import sys

import pandas as pd
from tabulate import tabulate

from acai_tf import cli, pretrained
from acai_tf.config import EXECUTION_SETTINGS, KIMG, Config
from acai_tf.errors import UsageError
from acai_tf.evaluation import (
    AT_REPORTS,
    EVALUATORS,
    all_scores,
    format_score,
    load_evaluator,
    plots,
    results,
    scale_of,
)
from acai_tf.export.exported import read_about
from acai_tf.files import expanded, write_atomically
from acai_tf.loading import is_export
from acai_tf.training.run_folder import RunFolder

COLUMNS = (  # by default, where any run has them
    *("line_distance", "line_smoothness", "probe_accuracy", "linear_accuracy_100"),
    *("clustering_accuracy", "neighbours_accuracy", "realism", "fitted_fd"),
    *("fitted_coverage", "information_bits", "test_rmse"),
)
LAST, REPORTS = 20, 256  # the median is over this many reports of this many
PARTS = ("networks", "regularizers", "corruption")  # always named where they are not the default
NOT_A_SCORE = {"step", "kimg", "images_per_second"}
NOT_IN_GROUP = {*EXECUTION_SETTINGS, "seed", "total_kimg", "images", "step", "weights"}
FILES = {"table.md", "table.tex", "scores.csv", "curves.png"}
STYLES = {  # name: (tabulate's format, bold, plus-minus)
    "markdown": ("github", "**{}**", "±"),
    "latex": ("latex_raw", r"\textbf{{{}}}", r"$\pm$"),
}


@dataclasses.dataclass
class Run:
    """One run's scores.

    Attributes:
        path: its folder.
        settings: the settings that identify its group, "kimg" among them.
        seed: None: unknown.
        scores: name -> value.
        records: its reports.
        evaluated: names of the evaluators that have run on it.
        evaluate: options of `acai-tf evaluate` for it.
        source: the run that it was exported from.
    """

    path: pathlib.Path
    settings: dict
    seed: int | None
    scores: dict[str, float]
    records: list[dict] = dataclasses.field(default_factory=list)
    evaluated: frozenset[str] = frozenset()
    evaluate: list[str] = dataclasses.field(default_factory=list)
    source: pathlib.Path | None = None

    def __post_init__(self):
        self.settings = {k: v for k, v in self.settings.items() if k not in NOT_IN_GROUP}
        if self.settings.get("original") is not True:  # where it was resumed from, not whose it is
            self.settings.pop("original", None)


def read_run(path: str, last: int | None = None) -> Run:
    """Read a run, an export, a pretrained model, or a folder that `evaluate --out` wrote.

    Args:
        path: the folder, or a pretrained model's name.
        last: as for `last_reports`.

    Raises:
        UsageError: none of these, or no finished report yet, or a damaged file.
    """
    path = pretrained.resolve(path)
    if is_export(path):
        return _read_export(path)
    folder = RunFolder(path)
    saved = results.read(folder.path)
    if saved and not (folder.path / "config.json").exists():
        return _read_evaluated(folder.path, **saved)
    config, records = folder.config().to_dict(), folder.records()
    if not records:
        raise UsageError(f"{path} has no finished report yet")
    entries = _entries(folder.path, config, records[-1]["step"])
    scores = results.scores(entries) | last_reports(records, last)
    settings = {**config, "kimg": records[-1]["kimg"]}
    options, names = [f"--run_dir={folder.path}"], frozenset(entries)
    return Run(folder.path, settings, config["seed"], scores, records, names, options)


def _read_export(path: str) -> Run:
    about, folder, name = read_about(path), expanded(path), path
    if about["config"] is None:
        raise UsageError(f"{path} has no settings to compare: its model was not made from a Config")
    config, kimg = about["config"].to_dict(), about["step"] * about["config"].batch / KIMG
    if pretrained.is_pretrained(path):
        name = folder.resolve().relative_to(pretrained.FOLDER).as_posix()
    entries = _entries(results.of_export(path, config["model"]), config, about["step"])
    scores = {
        score: float(value)
        for score, value in (about.get("scores") or {}).items()
        if isinstance(value, (int, float)) and score not in NOT_A_SCORE
    }
    return Run(
        path=folder,
        settings={**config, "kimg": int(kimg) if kimg == int(kimg) else kimg},
        seed=config["seed"],
        scores=scores | results.scores(entries),
        evaluated=frozenset(entries),
        evaluate=[f"--run_dir={name}"],
        source=pathlib.Path(config["run_dir"]).resolve() if config["run_dir"] else None,
    )


def _read_evaluated(folder: pathlib.Path, about: dict, evaluators: dict) -> Run:
    """Raw pixels, a run of the original program, or an export evaluated with --out."""
    if not all(isinstance(about.get(name), str) for name in ("model", "dataset")):
        raise UsageError(f"{folder / results.FILE} is damaged: it does not name what it is of")
    options = []
    if about["model"] == "raw pixels":
        options = ["--raw_pixels", f"--dataset={about['dataset']}", f"--out={folder}"]
    scores, names = results.scores(evaluators), frozenset(evaluators)
    return Run(folder, about, about.get("seed"), scores, evaluated=names, evaluate=options)


def _entries(folder: pathlib.Path, config: dict, step: int) -> dict:
    """The "evaluators" of a folder's eval.json; {} if they are of other weights or images."""
    saved = results.read(folder) or {"about": {}, "evaluators": {}}
    now = {"model": config["model"], "dataset": config["dataset"], "step": step}
    then = {name: saved["about"].get(name) for name in now}
    if then == now:
        return saved["evaluators"]
    if saved["evaluators"]:
        different = ", ".join(f"{name} {then[name]}" for name in now if then[name] != now[name])
        print(f"{folder}: its eval.json is of {different}; left out", file=sys.stderr)
    return {}


def last_reports(records: list[dict], last: int | None = None) -> dict[str, float]:
    """The median of each reported score over the last reports; undefined values do not count.

    Args:
        records: a run's reports.
        last: how many; None: `reports_counted`.
    """
    names = [name for name in records[-1] if name not in NOT_A_SCORE] if records else []
    values = pd.DataFrame(records[-(last or reports_counted(len(records))) :], columns=names)
    return values.astype(float).median().to_dict()


def reports_counted(reports: int) -> int:
    """How many of a run's reports count: 20 of 256, the same share of fewer, at least one."""
    return min(LAST, max(1, round(reports * LAST / REPORTS)))


def group(runs: list[Run]) -> dict[str, list[Run]]:
    """Group runs that differ only in their seed; returns {what tells a group from others: runs}."""
    rows = [{"kimg": None, **run.settings} for run in runs]
    settings = pd.DataFrame([{name: str(value) for name, value in row.items()} for row in rows])
    defaults = {name: str(value) for name, value in Config().to_dict().items()}
    settings = settings.fillna(defaults).fillna("None")  # results without a run name few settings
    groups: dict[str, list[Run]] = {}
    for run, own in zip(runs, settings.to_dict("records"), strict=True):
        peers = settings[settings["model"] == own["model"]]
        words = [own["model"]]
        if settings["dataset"].nunique() > 1:
            words.append(own["dataset"])
        words += [
            f"{name}={own[name]}"
            for name in run.settings
            if name not in ("model", "dataset", "kimg")
            and (peers[name].nunique() > 1 or (name in PARTS and own[name] != defaults.get(name)))
        ]
        if "kimg" in run.settings and settings["kimg"].nunique() > 1:
            words.append(f"{own['kimg']} kimg")
        groups.setdefault(" ".join(words), []).append(run)
    return groups


def summarise(groups: dict[str, list[Run]]) -> pd.DataFrame:
    """One row per group and score: group, score, mean, std (population), seeds, runs, values.

    Undefined scores do not count.
    """
    rows = [
        (name, score, value, str(run.path))
        for name, members in groups.items()
        for run in members
        for score, value in run.scores.items()
        if math.isfinite(value)
    ]
    frame = pd.DataFrame(rows, columns=["group", "score", "value", "run"])
    return frame.groupby(["group", "score"], sort=False, as_index=False).agg(
        mean=("value", "mean"),
        std=("value", lambda values: values.std(ddof=0)),
        seeds=("value", "size"),
        runs=("run", ";".join),
        values=("value", lambda values: ";".join(map(str, values))),
    )


def _scores_of(evaluator: str) -> dict[str, tuple[str, str]]:
    return getattr(load_evaluator(evaluator), "SCORES", {})


def table(summary: pd.DataFrame, columns: list[str], style: str = "markdown") -> str:
    """One row per group, one column per score, the best of each column in bold.

    Args:
        summary: from `summarise`.
        columns: scores.
        style: "markdown" or "latex".
    """
    tablefmt, bold, sign = STYLES[style]
    shown, seeds = all_scores(), summary.groupby("group", sort=False)["seeds"].max()
    cells = pd.DataFrame({"": seeds.index, "seeds": seeds.to_numpy()})
    for score in columns:
        title, better = shown.get(score, (score, ""))
        of_score = summary[summary["score"] == score].set_index("group")
        best = {"higher": of_score["mean"].max(), "lower": of_score["mean"].min()}
        texts = {}
        for name, mean, std, count in of_score[["mean", "std", "seeds"]].itertuples():
            text = format_score(mean, title)
            text += f" {sign} {format_score(std, title)}" if count > 1 else ""
            if count < seeds[name]:
                text += f" ({count})"  # of this many seeds only
            is_best = len(of_score) > 1 and mean == best.get(better)
            texts[name] = bold.format(text) if is_best else text
        cells[title] = [texts.get(name, "") for name in seeds.index]
    if style == "latex":
        cells = cells.astype(str).map(_escape).rename(columns=_escape)
    return tabulate(
        cells, headers="keys", tablefmt=tablefmt, showindex=False, disable_numparse=True
    )


def _escape(text: str) -> str:
    return re.sub(r"([_%&#])", r"\\\1", text)


def commands(runs: list[Run], columns: list[str]) -> list[str]:
    """The commands that fill the blank cells of a table."""
    found = []
    for run in runs:
        blank = {score for score in columns if score not in run.scores}
        done = run.evaluated | set(AT_REPORTS if run.records else ())  # the rest does not apply
        names = [n for n in EVALUATORS if n not in done and blank & _scores_of(n).keys()]
        if names and run.evaluate:
            words = ["acai-tf", "evaluate", *run.evaluate, f"--evaluators={','.join(names)}"]
            found.append(shlex.join(words))
    return found


def plot_curve(ax, runs: list[list[dict]], score: str, color, label: str, scale: float = 1) -> None:
    """Plot a reported score, times `scale`, against kimg: the mean over runs, and their range."""
    by_run = [
        pd.Series({r["kimg"]: r.get(score) for r in reports}, dtype=float) for reports in runs
    ]
    values = scale * pd.concat(by_run, axis=1, join="inner")
    low, high = values.min(axis=1), values.max(axis=1)
    ax.fill_between(values.index, low, high, color=color, alpha=0.2, lw=0)
    ax.plot(values.index, values.mean(axis=1), color=color, label=label)


def curves(groups: dict[str, list[Run]], columns: list[str]):
    """A figure of reported scores against kimg, a panel per score; None if none was reported."""
    trained = {name: members for name, members in groups.items() if members[0].records}
    reported = {name for members in trained.values() for name in members[0].records[-1]}
    names = [name for name in columns if name in reported]
    if not names:
        return None
    titles = [all_scores().get(name, (name, ""))[0] for name in names]
    figure, axes = plots.panels(*titles, columns=3, width=4.2, height=3.2)
    for score, title, ax in zip(names, titles, axes, strict=True):
        for index, (name, members) in enumerate(trained.items()):
            reports = [run.records for run in members if run.records]
            plot_curve(ax, reports, score, plots.class_color(index), name, scale_of(title))
        ax.set(xlabel="kimg")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", fontsize="small")
    figure.set_figheight(figure.get_figheight() + 0.22 * len(labels))  # inches a line
    return figure


def _read_all(paths: list[str], last: int | None) -> list[Run]:
    """Every run once, and not its own export too; warnings go to stderr."""
    found: dict[pathlib.Path, Run] = {}
    for path in paths:
        try:
            run = read_run(path, last)
            found.setdefault(run.path.resolve(), run)
        except UsageError as reason:
            print(f"left out: {reason}", file=sys.stderr)
    for path, run in list(found.items()):
        source = found.get(run.source)
        if source and source.settings["kimg"] == run.settings["kimg"]:
            print(f"left out: {run.path} is an export of {source.path}", file=sys.stderr)
            del found[path]
    return list(found.values())


def main() -> None:
    """The command line.

    Raises:
        UsageError: nothing to compare, an unknown score, or --out holds other files.
    """
    parser = cli.Parser("compare", __doc__)
    parser.add_argument(
        "runs", nargs="+", help="run folders, exports, pretrained models, folders of evaluate --out"
    )
    parser.add_argument(
        "--scores", help=f"columns; default: those available of {','.join(COLUMNS)}"
    )
    parser.add_argument("--last", type=int, help="reports to take the median of; default: as above")
    parser.add_argument("--out", help="folder for the tables, scores and curves")
    arguments = parser.parse_args()
    out = arguments.out and expanded(arguments.out)
    if arguments.last is not None and arguments.last < 1:
        raise UsageError(f"--last must be at least 1, got {arguments.last}")
    if out and out.exists() and not (out.is_dir() and {p.name for p in out.iterdir()} <= FILES):
        raise UsageError(f"{out} holds something else; --out takes a new folder")
    if not (runs := _read_all(arguments.runs, arguments.last)):
        raise UsageError("none of these folders can be compared")
    groups = group(runs)
    for members in groups.values():
        for seed in {run.seed for run in members}:
            paths = [str(run.path) for run in members if run.seed == seed]
            if len(paths) > 1:
                print(f"runs of the same seed {seed}: {', '.join(paths)}", file=sys.stderr)
    summary = summarise(groups)
    known = list(summary["score"].unique())
    columns = (
        arguments.scores.split(",") if arguments.scores else [n for n in COLUMNS if n in known]
    )
    for name in columns:
        if name not in known:
            raise UsageError(f"no run has the score {name!r}; known: {', '.join(known)}")
    print(text := table(summary, columns))
    if missing := commands(runs, columns):
        print("\n".join(["", "not measured yet; to fill the blank cells:", *missing]))
    if not out:
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "table.md", text + "\n")
    write_atomically(out / "table.tex", table(summary, columns, "latex") + "\n")
    write_atomically(out / "scores.csv", summary.to_csv(index=False, lineterminator="\n"))
    if figure := curves(groups, columns):
        plots.save(figure, out / "curves.png")
    print(f"wrote {out} ({', '.join(sorted(path.name for path in out.iterdir()))})")
