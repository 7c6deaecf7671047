"""What was reported in training."""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context

KEPT = False  # it is quick, and there may be more reports by now
NO_CURVE = {"step", "kimg", "images_per_second"}


def draw(context: Context) -> dict:
    """All that was reported, against the training images seen.

    Raises:
        CannotEvaluate: there are no reports.
    """
    from acai_tf.evaluation import plots

    records = context.records
    if not records:
        raise CannotEvaluate("there are no reports")
    names = [name for name in records[-1] if name not in NO_CURVE]
    figure, axes = plots.panels(*names, columns=4)
    for name, ax in zip(names, axes, strict=True):
        values = [record.get(name) for record in records]
        kimg = [record["kimg"] for record in records]
        ax.plot(kimg, np.array(values, float), color=plots.MODEL, marker=".")
        ax.set(xlabel="kimg")
    return {"curves": figure}
