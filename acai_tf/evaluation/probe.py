"""The jointly trained linear probe."""

import numpy as np

from acai_tf.evaluation.context import Context

SCORES = {"probe_accuracy": ("test accuracy of the jointly trained probe, 0..1", "higher")}


def evaluate(context: Context) -> dict[str, float]:
    """Accuracy of the jointly trained probe on the whole test set, in 0..1.

    The published figure is the median of this value over the last 20 reports of a
    run (section 4.1), then mean and standard deviation over five seeds:
    `acai-tf compare` gives it.

    Returns:
        {"probe_accuracy"}.

    Raises:
        CannotEvaluate: there are no classes, or no such probe.
    """
    right = context.logits.argmax(-1) == context.dataset.test_labels
    return {"probe_accuracy": float(np.mean(right))}


def draw(context: Context) -> dict:
    """Which classes the probe takes for which."""
    from acai_tf.evaluation import plots

    data = context.dataset
    return {
        "confusion": plots.confusion(
            data.test_labels, context.logits.argmax(-1), data.class_names, "the probe's class"
        )
    }
