"""Plots in one style. Figures are matplotlib's, but not pyplot's: no window opens, none leaks."""

import pathlib

import numpy as np
from PIL import Image

from acai_tf.files import replacing
from acai_tf.lazy import plt

# Distinct to color-blind eyes too; SERIES are those of Okabe and Ito (2008).
MODEL, BLEND, REAL = "#1f77b4", "#d95f02", "#444444"
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#000000")
WIDTH, HEIGHT = 3.6, 2.9  # of a panel, inches
FEW = 20  # classes that fit into a matrix with numbers, or a legend


def panels(
    *titles: str, columns: int | None = None, width: float = WIDTH, height: float = HEIGHT
) -> "tuple[plt.Figure, list[plt.Axes]]":
    """A figure with one panel per title, and the panels row by row (default: one row)."""
    columns = min(columns or len(titles), len(titles))
    rows = -(-len(titles) // columns)
    figure = plt.Figure(figsize=(width * columns, height * rows), dpi=100, layout="constrained")
    axes = [figure.add_subplot(rows, columns, n + 1, title=t) for n, t in enumerate(titles)]
    for ax in axes:
        ax.title.set_fontsize("medium")
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def quartiles(ax: "plt.Axes", x: np.ndarray, values: np.ndarray, label: str) -> None:
    """Median and quartiles over the first axis of values [N, len(x)]."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    ax.fill_between(x, low, high, color=MODEL, alpha=0.25, linewidth=0)
    ax.plot(x, middle, color=MODEL, label=label)


def plain(name: str) -> str:
    """A name that matplotlib shows literally: no mathematics, and not hidden from legends."""
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def class_color(label: int) -> tuple:
    """A class's color: always the same, twenty different ones."""
    return plt.get_cmap("tab20")((2 * label + label // 10) % 20)


def confusion(truth: np.ndarray, found: np.ndarray, names: tuple, what: str) -> "plt.Figure":
    """A confusion matrix of `truth` and `found`, integers [N], in percent of each true class;
    `what` is the title of the horizontal axis."""
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix  # takes seconds

    percent = 100 * confusion_matrix(truth, found, labels=range(len(names)), normalize="true")
    side, few = min(9.0, 2.2 + 0.36 * len(names)), len(names) <= FEW
    figure, (ax,) = panels("", width=side, height=side)
    ConfusionMatrixDisplay(percent, display_labels=[plain(name) for name in names]).plot(
        ax=ax,
        cmap="Blues",
        colorbar=False,
        include_values=few,
        values_format=".0f",
        xticks_rotation="horizontal" if max(map(len, names)) < 3 else "vertical",
        im_kw={"vmin": 0, "vmax": 100},
        text_kw={"fontsize": 8},
    )
    ax.set(xlabel=what, ylabel="class")
    if not few:
        ax.set(xticks=[], yticks=[])
    return figure


def save(picture, path: pathlib.Path) -> None:
    """Write a figure, or an image [H, W, 1 or 3] uint8, as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        if hasattr(picture, "savefig"):
            picture.savefig(partial, format="png")
        else:
            picture = picture[..., 0] if picture.shape[-1] == 1 else picture
            Image.fromarray(picture).save(partial, format="PNG")
