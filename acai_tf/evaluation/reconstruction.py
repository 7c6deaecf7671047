"""Reconstruction: the error of reconstructed test images."""

import math

import numpy as np

from acai_tf.data.vocabulary import most_likely
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import to_float
from acai_tf.kinds import SIGNALS, TOKENS

SCORES = {
    "test_rmse": ("reconstruction RMSE, 0..255", "lower"),
    "test_psnr": ("reconstruction PSNR, dB", "higher"),
    "signal_rmse": ("reconstruction RMSE, in the signals' units", "lower"),
    "token_accuracy": ("reconstructed tokens that are right, %", "higher"),
    "sentence_accuracy": ("reconstructed sentences that are right, %", "higher"),
}
PART = 500 * 32 * 32  # pixels of the images in memory at a time


def evaluate(context: Context) -> dict[str, float]:
    """Squared error over all test images, on the 0..255 scale of pixels.

    RMSE is the root of the mean over every pixel of every image. PSNR, 10 log10(255^2 / MSE), is
    that of each image, then their mean; an image's MSE counts as 1e-4 at least. Of signals, RMSE
    alone, in their own units. Of tokens, the share that is right, without padding, and the share of
    sentences that are right altogether.
    """
    if context.dataset.kind == TOKENS:
        return _accuracies(context)
    mse = squared_errors(context, context.dataset.test_images, context.dataset.test_images)
    rmse = float(np.sqrt(np.mean(mse)))
    if context.dataset.kind == SIGNALS:
        return {"signal_rmse": rmse / 127.5}
    psnr = float(np.mean(10 * np.log10(255**2 / np.maximum(mse, 1e-4))))
    return {"test_rmse": rmse, "test_psnr": psnr}


def _accuracies(context: Context) -> dict[str, float]:
    tokens = context.dataset.test_images
    right = most_likely(context.model.compiled_method("reconstruct")(tokens)) == tokens
    shown = context.dataset.vocabulary.not_padding(tokens)
    return {
        "token_accuracy": float(np.mean(right[shown])),
        "sentence_accuracy": float(np.mean(right.all(axis=1))),
    }


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
