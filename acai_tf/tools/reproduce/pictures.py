"""Pictures beside a table: how scores rose, and what lies between test images."""

import pathlib

import numpy as np
from PIL import Image, ImageDraw

from acai_tf.tools.reproduce.obtained import Obtained
from acai_tf.tools.reproduce.published import Score, Table

ROWS = 7  # of each model's sheet
ABREAST = 2  # models
CAPTION = 14  # pixels


def curves(path: pathlib.Path, table: Table, found: list[Obtained]) -> bool:
    """Draw the reported scores of a table over kimg; False where there are none."""
    from acai_tf.evaluation import plots

    trained = [one for one in found if one.curves]
    reported = {name for one in trained for name in one.curves[0][-1]}
    shown = [
        (dataset, size, column)
        for dataset, size in dict.fromkeys((one.row.dataset, one.row.size) for one in trained)
        for column, score in enumerate(table.scores)
        if score.name in reported
    ]
    if not shown:
        return False
    names = list(
        dict.fromkeys(one.row.label for one in found)
    )  # a model's color is the same everywhere
    titles = [f"{data}, d = {size}: {table.scores[column].heading}" for data, size, column in shown]
    figure, axes = plots.panels(*titles, columns=2, width=5.2, height=3.6)
    for ax, (dataset, size, column) in zip(axes, shown, strict=True):
        for one in trained:
            if (one.row.dataset, one.row.size) == (dataset, size):
                color = plots.class_color(names.index(one.row.label))
                _curve(ax, one, column, table.scores[column], color)
        ax.set_xlabel("kimg (dotted: published, at 16,384)")
        if table.scores[column].times == 1e3:  # distances, which fall by powers of ten
            ax.set_yscale("log")
        ax.legend(fontsize="x-small")
    plots.save(figure, path)
    return True


def _curve(ax, one: Obtained, column: int, score: Score, color) -> None:
    by_kimg = [{r["kimg"]: r.get(score.name) for r in records} for records in one.curves]
    kimg = sorted(set(by_kimg[0]).intersection(*by_kimg[1:]))
    values = score.times * np.array([[own[k] for k in kimg] for own in by_kimg], float)
    ax.fill_between(kimg, values.min(0), values.max(0), color=color, alpha=0.2, lw=0)
    ax.plot(kimg, values.mean(0), color=color, label=one.row.label)
    ax.axhline(one.row.published[column].mean, color=color, lw=0.8, ls=":")


def ways(path: pathlib.Path, found: list[Obtained]) -> bool:
    """Draw the models of one dataset and code size beside each other; False where none drew.

    Of each model it is a part of the sheet that its first run drew at the row's length: each row is
    the way from one test image to another.

    Args:
        path: the file.
        found: the rows.
    """
    parts = {}
    for one in found:
        for folder in one.folders:
            sheet = folder / "sheets" / f"lerp-{one.row.kimg:06d}.png"
            if sheet.exists():
                parts.setdefault(one.row.label, sheet)
    if not parts:
        return False
    sheets = [Image.open(sheet).convert("RGB") for sheet in parts.values()]
    width, height = sheets[0].width, ROWS * found[0].row.configs[0].image_size
    lines = -(-len(sheets) // ABREAST)
    whole = Image.new("RGB", (ABREAST * (width + 8) - 8, lines * (height + CAPTION)), "white")
    draw = ImageDraw.Draw(whole)
    for index, (name, sheet) in enumerate(zip(parts, sheets, strict=True)):
        left, top = index % ABREAST * (width + 8), index // ABREAST * (height + CAPTION)
        draw.text((left + 2, top + 1), name, fill="black")
        whole.paste(sheet.crop((0, 0, width, height)), (left, top + CAPTION))
    whole.save(path, format="PNG")
    return True
