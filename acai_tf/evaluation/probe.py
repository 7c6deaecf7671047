"""The jointly trained linear probe."""

import numpy as np


def evaluate(model, dataset) -> dict[str, float]:
    """Accuracy of the jointly trained probe on the whole test set, in 0..1.

    The published figure is the median of this value over the last 20 reports of a
    run (section 4.1), then mean and standard deviation over five seeds.

    Returns:
        {"probe_accuracy"}, or {} where there are no classes.
    """
    if dataset.classes < 2:
        return {}
    logits = model.compiled_verb("classify")(dataset.test_images)
    return {"probe_accuracy": float(np.mean(logits.argmax(-1) == dataset.test_labels))}
