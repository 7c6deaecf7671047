"""Plots in one style, with matplotlib; no window is opened."""

import pathlib

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acai_tf.files import replacing

MODEL, BLEND, REAL = "#1f77b4", "#d95f02", "#444444"  # told apart by color-blind eyes too
WIDTH, HEIGHT = 3.6, 2.9  # of a panel, inches
FEW = 20  # classes that fit into a matrix with numbers, or a legend


def panels(
    *titles: str, columns: int | None = None, width: float = WIDTH, height: float = HEIGHT
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per title, in rows of so many columns (default: one row).

    Returns:
        (the figure, its panels, row by row).
    """
    columns = min(columns or len(titles), len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(width * columns, height * rows), dpi=100, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(titles) :]:
        axes.remove()
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title, fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(grid[: len(titles)])


def spread(axes: Axes, x: np.ndarray, values: np.ndarray, color: str, label: str) -> None:
    """Median and quartiles over the first axis of values [N, len(x)]."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(x, middle, color=color, label=label)


def plain(name: str) -> str:
    """A name as matplotlib shows it as it is: no mathematics, and not hidden from legends."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def class_color(label: int):
    """A class's color: always the same, twenty different ones."""
    return colormaps["tab20"]((2 * label + label // 10) % 20)


def confusion(truth: np.ndarray, found: np.ndarray, names: tuple[str, ...], what: str) -> Figure:
    """Which classes are taken for which, in percent of each true class.

    Args:
        truth, found: whole numbers [N].
        names: of the classes.
        what: the horizontal axis.
    """
    from sklearn.metrics import confusion_matrix

    share = confusion_matrix(truth, found, labels=range(len(names)), normalize="true")
    side = min(9.0, 2.2 + 0.36 * len(names))
    figure, (axes,) = panels("", width=side, height=side)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel=what, ylabel="class")
    if len(names) <= FEW:
        names = [plain(name) for name in names]
        places = range(len(names))
        axes.set_xticks(places, names, rotation=0 if max(map(len, names)) < 3 else 90)
        axes.set_yticks(places, names)
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.005:
                color = "white" if value > 0.5 else "black"
                text = f"{100 * value:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    return figure


def save(figure: Figure, path: pathlib.Path) -> None:
    """Write a figure as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
