"""The jointly trained linear probe."""

import numpy as np

from acai_tf.evaluation.subject import Subject


def evaluate(subject: Subject) -> dict[str, float]:
    """Accuracy of the jointly trained probe on the whole test set, in 0..1.

    The published figure is the median of this value over the last 20 reports of a
    run (section 4.1), then mean and standard deviation over five seeds.

    Returns:
        {"probe_accuracy"}, or {} where there are no classes.
    """
    if not subject.has_classes:
        return {}
    logits = subject.model.compiled_verb("classify")(subject.dataset.test_images)
    return {"probe_accuracy": float(np.mean(logits.argmax(-1) == subject.dataset.test_labels))}
