"""Tables of what was published and obtained, as Markdown, with what they rest on."""

import json
import pathlib
import shlex
from fractions import Fraction

import numpy as np

from acai_tf.config import without_paths
from acai_tf.evaluation import results as evaluation
from acai_tf.files import saving, write_atomically
from acai_tf.tools.compare.runs import share
from acai_tf.tools.compare.tables import directions
from acai_tf.tools.reproduce import pictures, published
from acai_tf.tools.reproduce.grid import Row, mark
from acai_tf.tools.reproduce.obtained import Obtained
from acai_tf.tools.reproduce.published import Published, Table
from acai_tf.training.run_folder import RunFolder

N_INIT = 1000  # restarts of k-means, as published
KEPT = "runs"  # beside the tables: settings and reports of what they are made of


def name(table: str, rows: list[Row], n_init: int) -> str:
    """What a table's file is called: runs of another length or other settings make another.

    Args:
        table: its name.
        rows: those that were chosen.
        n_init: restarts of k-means.
    """
    words = dict.fromkeys(word for row in rows for word in row.told)
    if n_init != N_INIT:
        words[f"--n_init={n_init}"] = None
    return "-".join([table, f"{rows[0].kimg}kimg", *map(mark, words)])


def write(
    out: pathlib.Path, name: str, table: Table, found: list[Obtained], command: list[str]
) -> pathlib.Path:
    """Write a table, its curves, and beside them the reports and settings of its runs.

    Args:
        out: the folder.
        name: of the files, as `name` returns it.
        table: which.
        found: its rows.
        command: what made it: words after `acai-tf reproduce`.

    Returns:
        The table's file.

    Raises:
        CannotSave: the folder cannot be written.
    """
    with saving(out, "give another --out, or see to it; the same command then writes the table"):
        out.mkdir(parents=True, exist_ok=True)
        for one in found:
            for folder in one.folders:
                _keep(folder, out / KEPT / one.row.dataset)
        drawn = {}
        if pictures.curves(out / f"{name}.png", table, found):
            drawn[f"{name}.png"] = "scores of reports; mean and range of seeds"
        for dataset, size in dict.fromkeys((one.row.dataset, one.row.size) for one in found):
            cell = [one for one in found if (one.row.dataset, one.row.size) == (dataset, size)]
            picture = f"{dataset}-d{size}-{name.partition('-')[2]}.png"  # of all tables of them
            if pictures.ways(out / picture, cell) or (out / picture).exists():
                drawn[picture] = f"the way from one test image of {dataset} to another, d = {size}"
        file = out / f"{name}.md"
        write_atomically(file, markdown(table, found, command, drawn))
    return file


def _keep(run: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy a run's settings and results, unless those of a longer run are there."""
    kept = folder / run.name
    source, target = RunFolder(run), RunFolder(kept)
    ours, theirs = source.records(), target.records()
    if kept.resolve() == run.resolve() or len(ours) < len(theirs):
        return
    kept.mkdir(parents=True, exist_ok=True)
    saved = source.saved()
    saved["config"] = without_paths(saved["config"])
    write_atomically(kept / "config.json", json.dumps(saved, indent=2) + "\n")
    write_atomically(kept / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in ours))
    if evaluation.read(run):  # not a damaged one
        write_atomically(kept / evaluation.FILE, (run / evaluation.FILE).read_text("utf-8"))
    elif ours != theirs:  # what is there was measured of another run
        (kept / evaluation.FILE).unlink(missing_ok=True)


def markdown(table: Table, found: list[Obtained], command: list[str], drawn: dict[str, str]) -> str:
    """The whole file.

    Args:
        table, found, command: as `write` takes them.
        drawn: pictures beside it -> what they show.
    """
    parts = [_head(table, found, command), _body(table, found), _notes(table, found)]
    parts += [f"![{what}]({picture})" for picture, what in drawn.items()]
    parts += ["## Commands", _commands(found)]
    if table.evaluators:
        chosen = f"--evaluators={','.join(table.evaluators)}"
        parts.append(f"Then, of each run, `python evaluate.py --run_dir=... {chosen}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(table: Table, found: list[Obtained], command: list[str]) -> str:
    kimg = found[0].row.kimg
    scale = Fraction(kimg, published.KIMG)
    length = "as published" if scale == 1 else f"{scale} of the published length (--scale={scale})"
    reports = max((len(records) for one in found for records in one.curves), default=1)
    last = (
        f"the median of its last {share(reports)} reports"
        if share(reports) > 1
        else "its last report"
    )
    return (
        f"# {table.title}: {kimg:,} kimg a run, {length}\n\n"
        f"Published: after {published.KIMG:,} kimg, mean ± standard deviation of 5 seeds, as"
        f" transcribed. Obtained: of each run {last}, and at its end what only evaluate.py"
        " measures; mean ± population standard deviation over seeds. Difference: obtained -"
        " published; bold: not worse than published by more than the larger standard deviation."
        " img/s: of the runs as they ran, several at a time.\n\n"
        f"```sh\n{shlex.join(['python', '-m', 'acai_tf.tools.reproduce', *command])}\n```"
    )


def _body(table: Table, found: list[Obtained]) -> str:
    from tabulate import tabulate

    better = directions()
    headers = ["dataset", "d", "model"]
    for score in table.scores:
        headers += [f"{score.heading}: published", "obtained", "difference"]
    rows = []
    for one in found:
        row = one.row
        label = " ".join([row.model, *(f"`{word}`" for word in row.variant)])
        cells = [row.dataset, row.configs[0].code_size, label]
        for column, (score, number) in enumerate(zip(table.scores, row.published, strict=True)):
            cells += _cells(number, one.of(column), score.decimals, better[score.name])
        speeds = list(one.speed.values())
        speed = f"{np.median(speeds):,.0f}" if speeds else ""
        rows.append([*cells, len(one.scores), speed])
    return tabulate(rows, [*headers, "seeds", "img/s"], tablefmt="github", disable_numparse=True)


def _cells(number: Published, values: list[float], decimals: int, better: str) -> list[str]:
    """Published, obtained, and the difference."""
    stated = _number(number.mean, number.std, decimals)
    if not values:
        return [stated, "", ""]
    mean, std = float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None
    difference = f"{round(mean - number.mean, decimals) + 0.0:+.{decimals}f}"  # no -0.00
    if not behind(values, number, better):
        difference = f"**{difference}**"
    return [stated, _number(mean, std, decimals), difference]


def _number(mean: float, std: float | None, decimals: int) -> str:
    return f"{mean:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def behind(values: list[float], number: Published, better: str) -> bool:
    """Whether values over seeds are worse than a published number by more than the spread."""
    by = number.mean - float(np.mean(values))
    spread = max(number.std or 0.0, float(np.std(values)))
    return (by if better == "higher" else -by) > spread


def _notes(table: Table, found: list[Obtained]) -> str:
    """What the table's numbers leave out."""
    notes = []
    for one in found:
        row = f"{one.row.dataset} {one.row.label}"
        for seed, kimg in one.unfinished.items():
            notes.append(f"- {row}, seed {seed}: not at its end yet (kimg {kimg}), not counted")
        for column, score in enumerate(table.scores):
            runs = len(one.scores)
            if missing := runs - len(one.of(column)):
                what = f"{score.heading} undefined or not measured"
                notes.append(f"- {row}: {what} in {missing} of {runs}")
    return "\n".join(notes)


def _commands(found: list[Obtained]) -> str:
    """Of every row the command of its first run; the others differ in their seed."""
    from tabulate import tabulate

    rows = []
    for one in found:
        row, last = one.row, max(one.scores, default=0)
        more = f" to {last}" if last else ""
        command = f"`{row.shown_command(0)}`{more}"
        rows.append([f"{row.dataset} {row.configs[0].code_size} {row.model}", command])
    return tabulate(rows, ["row", "command"], tablefmt="github", disable_numparse=True)
