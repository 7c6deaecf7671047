"""Tables 1 to 3 of the paper, transcribed by hand: means of 5 seeds after 2^14 kimg.

The deviations of table 2, and MI-AE, LR-AE and MIDR-AE in tables 2 and 3, are from MIDR-AE's paper
(IJCAI 2019), which has the same program and protocol.
"""

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
_ORDER += ("miae", "lrae", "midrae")


def _row(means: tuple[float, ...], stds: tuple[float, ...] = ()) -> dict[str, tuple[Published]]:
    """Numbers of one column, in the order of the publications; none of `stds` transcribed: ()."""
    numbers = map(Published, means, stds or [None] * len(means))
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
            ("mnist", 32): _row(
                (94.90, 96.45, 96.00, 96.56, 70.74, 97.50, 98.25, 98.32, 98.09, 99.17),
                (0.14, 0.42, 0.27, 0.31, 3.27, 0.18, 0.11, 0.36, 0.13, 0.03),
            ),
            ("mnist", 256): _row(
                (93.94, 94.50, 98.51, 98.74, 90.03, 97.25, 99.00, 99.07, 99.10, 99.19),
                (0.13, 0.29, 0.04, 0.14, 0.54, 1.42, 0.08, 0.10, 0.02, 0.04),
            ),
            ("svhn", 32): _row(
                (26.21, 26.09, 25.15, 29.58, 23.43, 24.53, 34.47, 46.42, 43.81, 92.28),
                (0.42, 1.48, 0.78, 3.22, 0.79, 1.33, 1.14, 1.61, 1.10, 0.62),
            ),
            ("svhn", 256): _row(
                (22.74, 25.12, 77.89, 66.30, 22.81, 44.94, 85.14, 85.70, 88.38, 94.30),
                (0.05, 1.05, 0.35, 1.06, 0.24, 20.42, 0.20, 0.39, 0.14, 0.18),
            ),
            ("cifar10", 256): _row(
                (47.92, 40.99, 53.78, 47.49, 40.65, 42.80, 52.77, 55.93, 58.46, 63.28),
                (0.20, 0.41, 0.36, 0.22, 1.45, 0.44, 0.45, 0.04, 0.40, 0.13),
            ),
            ("cifar10", 1024): _row(
                (51.62, 49.38, 60.65, 51.39, 42.86, 16.22, 63.99, 67.56, 66.73, 68.27),
                (0.25, 0.77, 0.14, 0.46, 0.88, 12.44, 0.47, 0.03, 0.03, 0.48),
            ),
        },
    ),
    "clustering": Table(
        title="Accuracy of k-means on the codes (table 3)",
        scores=(Score("clustering_accuracy", 100, "clustering accuracy, %", 2),),
        cells={
            ("mnist", 32): _row(
                (77.56, 82.67, 82.59, 75.74, 79.19, 82.39, 94.38, 95.66, 94.37, 96.94)
            ),
            ("mnist", 256): _row(
                (53.70, 61.35, 70.89, 83.44, 81.00, 96.80, 96.17, 96.38, 96.70, 97.05)
            ),
            ("svhn", 32): _row(
                (19.38, 21.42, 17.91, 16.83, 17.35, 15.19, 20.86, 36.91, 29.45, 56.64)
            ),
            ("svhn", 256): _row(
                (15.62, 15.19, 31.49, 11.36, 13.59, 18.84, 24.98, 38.28, 34.88, 51.14)
            ),
        },
        evaluators=("clustering",),
    ),
}
