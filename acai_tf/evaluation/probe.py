"""The jointly trained linear probe."""

import numpy as np

from acai_tf.evaluation.context import Subject

SCORES = {"probe_accuracy": ("test accuracy of the jointly trained probe, 0..1", "higher")}


def evaluate(subject: Subject) -> dict[str, float]:
    """Accuracy of the jointly trained probe on the whole test set, in 0..1.

    The published figure is the median of this value over the last 20 reports of a
    run (section 4.1), then mean and standard deviation over five seeds:
    `acai-tf compare` gives it.

    Returns:
        {"probe_accuracy"}.

    Raises:
        CannotEvaluate: there are no classes, or no such probe.
    """
    right = subject.logits.argmax(-1) == subject.dataset.test_labels
    return {"probe_accuracy": float(np.mean(right))}


def draw(subject: Subject) -> dict:
    """Which classes the probe takes for which."""
    from acai_tf.evaluation import plots

    data = subject.dataset
    return {
        "confusion": plots.confusion(
            data.test_labels, subject.logits.argmax(-1), data.class_names, "the probe's class"
        )
    }
