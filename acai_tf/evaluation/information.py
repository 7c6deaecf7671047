"""Information: how many bits about the image does a code keep under noise?"""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context

SCORES = {
    "information_bits": ("information about the image, bits", "higher"),
    "information_bits_scaled": ("information without whitening, bits", "higher"),
    "information_bits_limit": ("highest value that can be measured, bits", ""),
}
CODES = 10_000  # test images, at most; also training images for the whitening
NEGLIGIBLE = 1e-6  # variance of a direction relative to the largest
PART = 500  # rows of the table of distances in memory
SEED = 0


def info_nce(codes: np.ndarray, seed: int = SEED) -> float:
    """I(z; z + sigma e), e ~ N(0, I), in bits by InfoNCE (van den Oord et al. 2018).

    mean_i log2 [p_i(z_i + sigma e_i) / mean_j p_j(z_i + sigma e_i)] with p_j = N(z_j, sigma^2) and
    sigma^2 = d / (2 ln N): between 0 and log2 N.

    Args:
        codes: z, [N, d], with a variance of about 1.
        seed: of e.
    """
    count, size = codes.shape
    variance = size / (2 * np.log(count))
    rng = np.random.default_rng(seed)
    noise = np.sqrt(variance) * rng.standard_normal(codes.shape, np.float32)
    noisy, squares, bits = codes + noise, np.sum(codes**2, axis=1), []
    for start in range(0, count, PART):
        rows = noisy[start : start + PART]
        distance = np.sum(rows**2, axis=1)[:, None] + squares - 2 * rows @ codes.T
        right = np.sum(noise[start : start + PART] ** 2, axis=1)
        # p_j / p_i; the largest are near 1, as nothing is much nearer than the code itself.
        ratio = np.exp(np.minimum((right[:, None] - distance) / (2 * variance), 80))
        bits.append(-np.log2(ratio.mean(1)))
    return float(np.mean(np.concatenate(bits)))


def whitened(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Codes [M, d] with the mean and the covariance of `train` [N, d] made 0 and I; directions
    without variance are left out. Raises CannotEvaluate if all are."""
    mean = train.mean(0)
    variance, directions = np.linalg.eigh(
        np.cov(train - mean, rowvar=False).reshape(2 * mean.shape)
    )
    kept = variance > max(NEGLIGIBLE * variance[-1], 1e-12)
    if not kept.any():
        raise CannotEvaluate("all codes are the same")
    return (test - mean) @ (directions[:, kept] / np.sqrt(variance[kept]))


def evaluate(context: Context) -> dict[str, float]:
    """A lower bound on the information of noisy codes about the image, on the test set.

    Codes of up to 10,000 test images are whitened with the statistics of as many training images,
    and Gaussian noise is added. InfoNCE then measures how well the image can be told from the other
    ones by its noisy code. It is at most log2 of the number of images, 13.3 bits for 10,000. The
    noise's variance, d / (2 ln N) in every direction, is the same for all models with d numbers in
    a code: compare those, and an untrained encoder.

    Whitening gives every direction of the code the same weight; codes in a Gaussian cloud then have
    the most information, and codes in tight clusters little. Without it, codes are only divided by
    one number, so that their mean variance is 1: information is lower where few directions have
    most of the variance.
    """
    train, test = context.train_codes[:CODES], context.test_codes[:CODES]
    if min(len(train), len(test)) < 2:
        raise CannotEvaluate("information is measured among at least 2 images")
    mean, scale = train.mean(0), np.sqrt(train.var(0).mean())
    return {
        "information_bits": info_nce(whitened(train, test).astype(np.float32)),
        "information_bits_scaled": info_nce(((test - mean) / max(scale, 1e-6)).astype(np.float32)),
        "information_bits_limit": float(np.log2(len(test))),
    }
