"""How well test images are reconstructed."""

import math

import numpy as np

from acai_tf.evaluation.context import Context

SCORES = {
    "test_rmse": ("root mean squared error over every pixel, 0..255", "lower"),
    "test_psnr": ("peak signal-to-noise ratio, decibels", "higher"),
}


def evaluate(context: Context) -> dict[str, float]:
    """Squared error over all test images, on the 0..255 scale of pixels.

    Returns:
        {"test_rmse": sqrt(MSE) * 127.5, the MSE being over every pixel of every image,
         "test_psnr": 10 log10(255^2 / MSE) of each image in decibels, then their mean}; an image
        without error counts as one whose MSE is 1e-4.
    """
    mse = squared_errors(context, context.dataset.test_images, context.dataset.test_images)
    return {
        "test_rmse": float(np.sqrt(np.mean(mse))),
        "test_psnr": float(np.mean(10 * np.log10(255**2 / np.maximum(mse, 1e-4)))),
    }


def squared_errors(context: Context, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Each image's mean squared error, 0..255 scale: [N], of its reconstruction against `truth`.

    Args:
        images: what is reconstructed, [N, H, W, C].
        truth: what it should be, [N, H, W, C].
    """
    from acai_tf.models.inference import PART
    from acai_tf.models.reconstruction import to_unit

    reconstruct = context.model.compiled_method("reconstruct")
    errors = []
    size = max(1, PART // math.prod(images.shape[1:3]))  # reconstructions that are held at a time
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        error = reconstruct(images[part]) - np.asarray(to_unit(truth[part]))
        errors.append(np.mean(np.square(error, dtype=np.float64), axis=(1, 2, 3)))
    return np.concatenate(errors) * 127.5**2
