"""Joint probe: the linear probe that is trained along with the autoencoder."""

import numpy as np

from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context

SCORES = {"probe_accuracy": ("joint probe, %", "higher")}


def evaluate(context: Context) -> dict[str, float]:
    """Accuracy of the jointly trained probe on the whole test set.

    The published figure is the median of this value over the last 20 reports of a run (section
    4.1), then mean and standard deviation over five seeds: `acai-tf compare` gives it.
    """
    correct = context.logits.argmax(-1) == context.dataset.test_labels
    return {"probe_accuracy": float(np.mean(correct))}


def draw(context: Context) -> dict:
    """The probe's confusion matrix."""
    data, found = context.dataset, context.logits.argmax(-1)
    figure = plots.confusion(data.test_labels, found, data.class_names, "prediction of the probe")
    return {"confusion": figure}
