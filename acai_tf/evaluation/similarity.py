"""Structural similarity: SSIM of test images and their reconstructions."""

import sys

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import to_float
from acai_tf.kinds import IMAGES

SCORES = {"test_ssim": ("reconstruction SSIM, -1..1", "higher")}
WINDOW = 11  # pixels
PART = 250  # images in memory at a time


def evaluate(context: Context) -> dict[str, float]:
    """SSIM (Wang et al. 2004) over all test images, with the settings of that paper.

    A Gaussian window of standard deviation 1.5 over 11x11 pixels, K1 = 0.01, K2 = 0.03; the mean
    over pixels whose window is inside the image, channels and images. Pixels are clipped to the
    range of an image.
    """
    from skimage.metrics import structural_similarity  # takes seconds to import

    context.check_kind(IMAGES)
    reconstruct, images = context.model.compiled_method("reconstruct"), context.dataset.test_images
    if (side := min(images.shape[1:3])) < WINDOW:
        raise CannotEvaluate(f"images of {side} pixels are smaller than the window of SSIM")
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    values = []
    with tqdm(total=len(images), desc="SSIM", unit="img", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(images), PART):
            part = images[start : start + PART]
            for pair in zip(to_float(part), np.clip(reconstruct(part), -1, 1), strict=True):
                ssim = structural_similarity(*pair, data_range=2, channel_axis=-1, **settings)
                values.append(ssim)
            bar.update(len(part))
    return {"test_ssim": float(np.mean(values))}
