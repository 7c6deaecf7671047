"""How well test images are reconstructed."""

import numpy as np

from acai_tf.evaluation import in_batches


def evaluate(model, dataset) -> dict[str, float]:
    """Root mean squared error over all test images, on the 0..255 scale of pixels.

    Returns:
        {"test_rmse": sqrt(MSE) * 127.5, the MSE being over every pixel of every image}.
    """
    from acai_tf.models.base import to_unit

    reconstruct = model.compiled_verb("reconstruct")

    def squared_error(images):
        error = reconstruct(images) - np.asarray(to_unit(images))
        return np.mean(np.square(error, dtype=np.float64), axis=(1, 2, 3))

    mse = np.mean(in_batches(squared_error, dataset.test_images))
    return {"test_rmse": float(np.sqrt(mse) * 127.5)}
