"""Tables 1 to 3 of the paper, transcribed by hand: means of 5 seeds after 2^14 kimg."""

from typing import NamedTuple

LENGTH = 1 << 14  # kimg of every run


class Published(NamedTuple):
    """A published mean over seeds and its standard deviation; None: not transcribed."""

    mean: float
    std: float | None = None


class Score(NamedTuple):
    """A column: the score's name in reports or eval.json, the factor it is printed with, its
    heading, and the published number of decimals."""

    name: str
    factor: float
    heading: str
    decimals: int


class Table(NamedTuple):
    """A published table.

    Attributes:
        title: its heading.
        scores: its columns.
        cells: (dataset, code size) -> model -> one number per column.
        evaluators: what evaluate.py measures at the end of a run; the rest is in its reports.
    """

    title: str
    scores: tuple[Score, ...]
    cells: dict[tuple[str, int], dict[str, tuple[Published, ...]]]
    evaluators: tuple[str, ...] = ()


_ORDER = ("baseline", "dropout", "denoising", "vae", "aae", "vqvae", "acai")


def _row(*means: float, acai: float | None = None) -> dict[str, tuple[Published]]:
    """Numbers of one column, in the paper's order; `acai` is ACAI's standard deviation."""
    numbers = [Published(mean) for mean in means[:-1]] + [Published(means[-1], acai)]
    return {model: (number,) for model, number in zip(_ORDER, numbers, strict=True)}


TABLES = {
    "lines": Table(
        title="Line benchmark (table 1)",
        scores=(
            Score("line_distance", 1e3, "mean distance, 1e-3", 2),
            Score("line_smoothness", 1, "mean smoothness", 2),
        ),
        cells={
            ("lines", 64): {
                "baseline": (Published(6.88, 0.21), Published(0.44, 0.04)),
                "dropout": (Published(2.85, 0.54), Published(0.74, 0.02)),
                "denoising": (Published(4.21, 0.32), Published(0.66, 0.02)),
                "vae": (Published(1.21, 0.17), Published(0.49, 0.13)),
                "aae": (Published(3.26, 0.19), Published(0.14, 0.02)),
                "vqvae": (Published(5.41, 0.49), Published(0.77, 0.02)),
                "acai": (Published(0.24, 0.01), Published(0.10, 0.01)),
            }
        },
    ),
    "probe": Table(
        title="Accuracy of the jointly trained probe (table 2)",
        scores=(Score("probe_accuracy", 100, "probe accuracy, %", 2),),
        cells={
            ("mnist", 32): _row(94.90, 96.45, 96.00, 96.56, 70.74, 97.50, 98.25, acai=0.11),
            ("mnist", 256): _row(93.94, 94.50, 98.51, 98.74, 90.03, 97.25, 99.00, acai=0.08),
            ("svhn", 32): _row(26.21, 26.09, 25.15, 29.58, 23.43, 24.53, 34.47, acai=1.14),
            ("svhn", 256): _row(22.74, 25.12, 77.89, 66.30, 22.81, 44.94, 85.14, acai=0.20),
            ("cifar10", 256): _row(47.92, 40.99, 53.78, 47.49, 40.65, 42.80, 52.77, acai=0.45),
            ("cifar10", 1024): _row(51.62, 49.38, 60.65, 51.39, 42.86, 16.22, 63.99, acai=0.47),
        },
    ),
    "clustering": Table(
        title="Accuracy of k-means on the codes (table 3)",
        scores=(Score("clustering_accuracy", 100, "clustering accuracy, %", 2),),
        cells={
            ("mnist", 32): _row(77.56, 82.67, 82.59, 75.74, 79.19, 82.39, 94.38),
            ("mnist", 256): _row(53.70, 61.35, 70.89, 83.44, 81.00, 96.80, 96.17),
            ("svhn", 32): _row(19.38, 21.42, 17.91, 16.83, 17.35, 15.19, 20.86),
            ("svhn", 256): _row(15.62, 15.19, 31.49, 11.36, 13.59, 18.84, 24.98),
        },
        evaluators=("clustering",),
    ),
}
