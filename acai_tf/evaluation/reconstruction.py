"""Reconstruction: the error of reconstructed test images."""

import math

import numpy as np

from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import to_float

SCORES = {
    "test_rmse": ("reconstruction RMSE, 0..255", "lower"),
    "test_psnr": ("reconstruction PSNR, dB", "higher"),
    "signal_rmse": ("reconstruction RMSE, in the signals' units", "lower"),
}
PART = 500 * 32 * 32  # pixels of the images in memory at a time


def evaluate(context: Context) -> dict[str, float]:
    """Squared error over all test images, on the 0..255 scale of pixels.

    RMSE is the root of the mean over every pixel of every image. PSNR, 10 log10(255^2 / MSE), is
    that of each image, then their mean; an image's MSE counts as 1e-4 at least. Of signals, RMSE
    alone, in their own units.
    """
    mse = squared_errors(context, context.dataset.test_images, context.dataset.test_images)
    rmse = float(np.sqrt(np.mean(mse)))
    if len(context.dataset.image_shape) != 3:
        return {"signal_rmse": rmse / 127.5}
    psnr = float(np.mean(10 * np.log10(255**2 / np.maximum(mse, 1e-4))))
    return {"test_rmse": rmse, "test_psnr": psnr}


def squared_errors(context: Context, images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean squared errors [N], on the 0..255 scale, of reconstructed images [N, ...] against
    `truth` [N, ...]; -1 to 1 are 0 to 255."""
    reconstruct = context.model.compiled_method("reconstruct")
    errors, axes = [], tuple(range(1, images.ndim))
    size = max(1, PART // math.prod(images.shape[1:-1]))
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        error = reconstruct(images[part]) - to_float(truth[part])
        errors.append(np.mean(np.square(error, dtype=np.float64), axis=axes))
    return np.concatenate(errors) * 127.5**2
