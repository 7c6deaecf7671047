"""Information: how many bits about the image does a code keep under noise?"""

import math

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shrunk
from acai_tf.evaluation.neighbours import squared_distances
from acai_tf.evaluation.pixels import Pixels
from acai_tf.kinds import TOKENS

SCORES = {
    "information_bits": ("information about the image, bits", "higher"),
    "information_bits_whitened": ("the same of whitened codes, bits", ""),
    "pixels_information_bits": ("the same of principal components of raw pixels, bits", ""),
    "information_bits_limit": ("highest value that can be measured, bits", ""),
}
CODES = 10_000  # test images, at most; also training images for the whitening
NEGLIGIBLE = 1e-6  # variance of a direction relative to the largest
ONE_HOT = 8192  # numbers of a sentence as one-hot vectors, at most, for its principal components
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
    noisy, bits = codes + noise, []
    for start in range(0, count, PART):
        distance = squared_distances(noisy[start : start + PART], codes)
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


def scaled(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Codes [M, d], less the mean of `train` [N, d] and divided by one number, so that the mean
    variance of `train` would be 1."""
    scale = np.sqrt(train.var(0).mean())
    if not scale > 0:
        raise CannotEvaluate("all codes are the same")
    return (test - train.mean(0)) / scale


def principal(train: np.ndarray, test: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` principal components of flat images [N, p] and [M, p], fitted to `train`;
    fewer where there are fewer images or pixels."""
    from sklearn.decomposition import PCA  # takes seconds to import

    pca = PCA(min(count, *train.shape), random_state=SEED).fit(train)
    return pca.transform(train), pca.transform(test)


def evaluate(context: Context) -> dict[str, float]:
    """A lower bound on the information of noisy codes about the image, on the test set.

    Codes of up to 10,000 test images are divided by one number, so that the mean variance of their
    d values is 1, and Gaussian noise of variance d / (2 ln N) is added to each value. InfoNCE
    measures how well the image can be told from the N - 1 others by its noisy code: at most log2 N,
    13.3 bits for 10,000. It is low where few directions of the code have most of the variance, or
    where codes form tight clusters. Compare models with codes of the same size, with the untrained
    baseline, and with as many principal components of the pixels.

    Whitened codes have the same variance in every direction. They tell only how close the codes are
    to one Gaussian cloud, which has the most information; untrained encoders are about as close.
    """
    train, test = context.train_codes[:CODES], context.test_codes[:CODES]
    if min(len(train), len(test)) < 2:
        raise CannotEvaluate("information is measured among at least 2 images")

    def bits(train, test, prepare=scaled):
        return info_nce(prepare(train, test).astype(np.float32))

    def of_pixels():
        data, encode = context.dataset, shrunk
        if data.kind == TOKENS:
            raw = Pixels(data.image_shape, data.vocabulary)
            if math.prod(raw.latent_shape) > ONE_HOT:
                return {"bits": np.nan}
            encode = raw.compiled_method("encode")
        images = data.train_once(CODES)[0], data.test_images[:CODES]
        flat = [encode(part).reshape(len(part), -1) for part in images]
        return {"bits": bits(*principal(*flat, train.shape[1]))}

    pixels = context.cached("information", f"information-{train.shape[1]}", of_pixels)
    return {
        "information_bits": bits(train, test),
        "information_bits_whitened": bits(train, test, whitened),
        "pixels_information_bits": float(pixels["bits"]),
        "information_bits_limit": float(np.log2(len(test))),
    }
