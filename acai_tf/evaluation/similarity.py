"""Structural similarity of test images and their reconstructions."""

import sys

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context

SCORES = {"test_ssim": ("structural similarity of image and reconstruction, -1..1", "higher")}
WINDOW = 11  # pixels
PART = 250  # reconstructions that are held at a time


def evaluate(context: Context) -> dict[str, float]:
    """SSIM (Wang et al. 2004) over all test images, with the settings of that paper.

    A Gaussian window of standard deviation 1.5 over 11x11 pixels, K1 = 0.01, K2 = 0.03; the mean
    over pixels whose window lies inside the image, channels and images. Pixels beyond the range
    of an image count as its ends.

    Returns:
        {"test_ssim" in -1..1; 1: the same}.

    Raises:
        CannotEvaluate: images are smaller than the window.
    """
    from skimage.metrics import structural_similarity

    from acai_tf.models.reconstruction import to_unit

    reconstruct = context.model.compiled_method("reconstruct")
    images = context.dataset.test_images
    if (side := min(images.shape[1:3])) < WINDOW:
        raise CannotEvaluate(f"images of {side} pixels are smaller than its window")
    similarities = []
    with tqdm(total=len(images), desc="SSIM", unit="img", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(images), PART):
            part = images[start : start + PART]
            made = np.clip(reconstruct(part), -1, 1)
            for image, reconstruction in zip(np.asarray(to_unit(part)), made, strict=True):
                similarities.append(
                    structural_similarity(
                        image,
                        reconstruction,
                        data_range=2,
                        channel_axis=-1,
                        gaussian_weights=True,
                        sigma=1.5,
                        use_sample_covariance=False,
                    )
                )
            bar.update(len(part))
    return {"test_ssim": float(np.mean(similarities))}
