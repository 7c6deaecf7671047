"""How well test images are reconstructed."""

import numpy as np

from acai_tf.evaluation.subject import Subject

PART = 500  # images whose reconstructions are held at a time


def evaluate(subject: Subject) -> dict[str, float]:
    """Root mean squared error over all test images, on the 0..255 scale of pixels.

    Returns:
        {"test_rmse": sqrt(MSE) * 127.5, the MSE being over every pixel of every image}.
    """
    from acai_tf.models.base import to_unit

    reconstruct = subject.model.compiled_verb("reconstruct")
    images = subject.dataset.test_images
    squared_errors = []
    for start in range(0, len(images), PART):
        part = images[start : start + PART]
        error = reconstruct(part) - np.asarray(to_unit(part))
        squared_errors.append(np.mean(np.square(error, dtype=np.float64), axis=(1, 2, 3)))
    mse = np.mean(np.concatenate(squared_errors))
    return {"test_rmse": float(np.sqrt(mse) * 127.5)}
