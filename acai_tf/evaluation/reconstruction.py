"""How well test images are reconstructed."""

import math

import numpy as np

from acai_tf.evaluation.subject import Subject


def evaluate(subject: Subject) -> dict[str, float]:
    """Root mean squared error over all test images, on the 0..255 scale of pixels.

    Returns:
        {"test_rmse": sqrt(MSE) * 127.5, the MSE being over every pixel of every image}.
    """
    from acai_tf.models.base import PART, to_unit

    reconstruct = subject.model.compiled_verb("reconstruct")
    images = subject.dataset.test_images
    squared_errors = []
    size = max(1, PART // math.prod(images.shape[1:3]))  # reconstructions that are held at a time
    for start in range(0, len(images), size):
        part = images[start : start + size]
        error = reconstruct(part) - np.asarray(to_unit(part))
        squared_errors.append(np.mean(np.square(error, dtype=np.float64), axis=(1, 2, 3)))
    mse = np.mean(np.concatenate(squared_errors))
    return {"test_rmse": float(np.sqrt(mse) * 127.5)}
