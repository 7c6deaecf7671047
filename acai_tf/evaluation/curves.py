"""Training curves: all reported values."""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context

KEPT = False  # it is quick, and new reports may have come

OTHERS = ("step", "kimg", "images_per_second", "ema_kimg")  # that are not measured


def draw(context: Context) -> dict:
    """All reported values against the training images seen."""
    records = context.records
    if not records:
        raise CannotEvaluate("there are no reports")
    names = [name for name in records[-1] if name not in OTHERS]
    figure, axes = plots.panels(*names, columns=4)
    for name, ax in zip(names, axes, strict=True):
        values = np.array([record.get(name) for record in records], float)
        ax.plot([record["kimg"] for record in records], values, color=plots.MODEL, marker=".")
        ax.set(xlabel="kimg")
    return {"curves": figure}
