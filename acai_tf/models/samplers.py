"""Samplers: where new codes come from, so that decoding them gives new images.

A draw is a function of noise, so that an exported TensorFlow graph can make it too.
"""

import pathlib
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from acai_tf.errors import UsageError
from acai_tf.files import read_npz
from acai_tf.lazy import keras

CODES = 20_000  # training images that a sampler is fitted to, at most
HELD_OUT = 0.1  # of their codes, to choose a mixture
COVARIANCES = ("full", "diag")  # of a mixture's components
ITERATIONS = 50  # of expectation-maximization, at most
LARGEST = 2**30  # bytes of a file's arrays


class Sampler:
    """Base class: a distribution of what a model decodes.

    Attributes:
        decodes: the inference method that makes images of what is drawn.
        uniforms, normals: how many numbers ~ U(0, 1) and ~ N(0, 1) a draw takes.

    Examples:
        >>> class UnitSphere(acai_tf.Sampler):
        ...     normals = 6
        ...     def draw(self, uniform, normal):
        ...         return keras.ops.normalize(normal)
        >>> acai_tf.Baseline(encoder, decoder).sample(3, UnitSphere()).shape
        (3, 8, 8, 1)
    """

    decodes = "decode"
    uniforms, normals = 0, 0

    def draw(self, uniform, normal):
        """What `decodes` takes, [n, ...], from noise [n, uniforms] and [n, normals]."""
        raise NotImplementedError

    def arrays(self) -> dict[str, np.ndarray]:
        """The constructor's arguments, for a file."""
        raise NotImplementedError

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """n draws; the same seed draws the same."""
        rng = np.random.default_rng(seed)
        uniform = rng.random((n, self.uniforms), np.float32)
        normal = rng.standard_normal((n, self.normals), np.float32)
        return keras.ops.convert_to_numpy(self.draw(uniform, normal))


class Prior(Sampler):
    """Codes from N(0, I), the prior of a VAE and of an AAE.

    Args:
        shape: of a code.

    Examples:
        >>> acai_tf.Prior((4, 4, 2)).sample(3).shape
        (3, 4, 4, 2)
    """

    def __init__(self, shape):
        self.shape = tuple(int(length) for length in shape)
        self.normals = int(np.prod(self.shape))

    def draw(self, uniform, normal):
        return keras.ops.reshape(normal, (-1, *self.shape))

    def arrays(self):
        return {"shape": np.asarray(self.shape)}


class Mixture(Sampler):
    """Codes from a Gaussian mixture fitted to training codes (Ghosh et al. 2020, RAE).

    Args:
        weight: of each component, [K], adding up to 1.
        mean: [K, d].
        factor: L of each covariance L L^T, [K, d, d].
        shape: of a code of d numbers.

    Examples:
        >>> codes = np.random.default_rng(0).normal(5, 1, (200, 2, 2, 1))
        >>> drawn = acai_tf.Mixture.fit(codes).sample(1000)
        >>> drawn.shape, round(float(drawn.mean()))
        ((1000, 2, 2, 1), 5)
    """

    def __init__(self, weight, mean, factor, shape):
        self.weight, self.mean = np.asarray(weight, np.float32), np.asarray(mean, np.float32)
        self.factor = np.asarray(factor, np.float32)
        self.shape = tuple(int(length) for length in shape)
        self.uniforms, self.normals = 1, self.mean.shape[1]

    @classmethod
    def fit(cls, codes: np.ndarray, components: int = 10, seed: int = 0) -> "Mixture":
        """Fit by expectation-maximization to standardized codes.

        Of full and diagonal covariances, those with the higher likelihood of a tenth of the codes,
        held out, are taken.

        Args:
            codes: [N, ...], at least 2.
            components: K; fewer where there are fewer codes.
            seed: of the starting point and of which codes are held out.

        Raises:
            UsageError: fewer than 2 codes, or codes that are not finite or that no mixture fits.
        """
        from sklearn.exceptions import ConvergenceWarning  # takes seconds to import
        from sklearn.mixture import GaussianMixture
        from sklearn.preprocessing import StandardScaler

        shape, flat = codes.shape[1:], np.reshape(codes, (len(codes), -1)).astype(np.float64)
        if len(flat) < 2:
            raise UsageError(f"a mixture is fitted to at least 2 codes, got {len(flat)}")
        if not np.isfinite(flat).all():
            raise UsageError("the codes that a mixture is fitted to are not all finite")
        scaler = StandardScaler().fit(flat)
        flat = scaler.transform(flat)[np.random.default_rng(seed).permutation(len(flat))]
        held_out = max(1, round(HELD_OUT * len(flat)))
        rest, candidates = flat[held_out:] if len(flat) > 2 else flat, []
        for kind in COVARIANCES:
            mixture = GaussianMixture(
                min(components, len(rest)),
                covariance_type=kind,
                max_iter=ITERATIONS,
                random_state=seed,
            )
            # One thread: more only contend.
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # ITERATIONS are enough
                try:
                    mixture.fit(rest)
                except ValueError:  # a covariance that is not positive
                    continue
            candidates.append((mixture.score(flat[:held_out]), mixture))
        if not candidates:
            raise UsageError("no mixture fits these codes")
        best = max(candidates, key=lambda one: one[0])[1]
        covariance = best.covariances_
        if best.covariance_type == "diag":
            factor = np.sqrt(covariance)[:, :, None] * np.eye(flat.shape[1])
        else:
            factor = np.linalg.cholesky(covariance)
        mean = best.means_ * scaler.scale_ + scaler.mean_
        return cls(best.weights_, mean, scaler.scale_[:, None] * factor, shape)

    def draw(self, uniform, normal):
        ends = np.cumsum(self.weight)
        drawn = keras.ops.zeros_like(normal)
        for start, end, mean, factor in zip(
            [-1.0, *ends[:-1]], [*ends[:-1], 2.0], self.mean, self.factor, strict=True
        ):
            chosen = keras.ops.logical_and(uniform >= start, uniform < end)  # [n, 1]
            drawn = keras.ops.where(chosen, mean + keras.ops.matmul(normal, factor.T), drawn)
        return keras.ops.reshape(drawn, (-1, *self.shape))

    def arrays(self):
        own = ("weight", "mean", "factor")
        return {**{name: getattr(self, name) for name in own}, "shape": np.asarray(self.shape)}


class IndexChain(Sampler):
    """Indices of codes of a VQ-VAE, a chain over the positions of an image's vectors.

    The first index is that of a training image, each next one that of a random training image with
    the same index before it: p(k_1) prod_i p(k_i | k_{i-1}), by the counts of training images.

    Args:
        index: of training images, [N, num_latents] integers.

    Examples:
        >>> index = np.array([[0, 1], [0, 2], [3, 4]])
        >>> bool((acai_tf.IndexChain(index).sample(50)[:, 1] > 0).all())
        True
    """

    decodes = "decode_indices"

    def __init__(self, index):
        self.index = np.asarray(index, np.int32)
        self.uniforms = self.index.shape[1]

    def draw(self, uniform, normal):
        count = len(self.index)
        first, last = keras.ops.zeros_like(uniform[:, 0], "int32"), count  # of the rows that fit
        order, drawn = np.arange(count, dtype=np.int32), []
        for position in range(self.index.shape[1]):
            row = first + keras.ops.cast(
                uniform[:, position] * keras.ops.cast(last - first, "float32"), "int32"
            )
            row = keras.ops.minimum(row, last - 1)  # rounding
            column = self.index[order, position]
            drawn.append(keras.ops.take(column, row))
            order = np.argsort(self.index[:, position], kind="stable").astype(np.int32)
            ordered = self.index[order, position]
            first = keras.ops.searchsorted(ordered, drawn[-1], side="left")
            last = keras.ops.searchsorted(ordered, drawn[-1], side="right")
        return keras.ops.stack(drawn, axis=1)

    def arrays(self):
        return {"index": self.index}


NAMES = ("prior", "fitted")  # that `sample` knows
KINDS = {kind.__name__: kind for kind in (Prior, Mixture, IndexChain)}


class Sampling:
    """What models and exported models share: new images.

    A subclass has `compiled_method` and `latent_shape`.

    Attributes:
        sampler: what `fit_sampler` made.
    """

    sampler: Sampler | None = None

    def fit_sampler(self, images, seed: int = 0) -> Mixture:
        """Fit a Gaussian mixture of 10 components to the codes of training images, from which
        `sample` then draws, until the model is trained again.

        Args:
            images: [N, H, W, C]; the first 20,000 are used.
            seed: of the fit.

        Raises:
            UsageError: too few images, or codes that are not finite.
        """
        codes = self.compiled_method("encode")(images[:CODES])
        self.sampler = Mixture.fit(codes, seed=seed)
        return self.sampler

    def sample(self, n: int, sampler: Sampler | str | None = None, seed: int = 0) -> np.ndarray:
        """New images, decoded from codes drawn at random.

        Args:
            n: how many.
            sampler: "prior" for N(0, I), "fitted" for what `fit_sampler` made, or a `Sampler`;
                None: "fitted" if there is one, else "prior".
            seed: the same seed draws the same images.

        Returns:
            [n, H, W, C] float32, about [-1, 1].

        Raises:
            UsageError: n below 1, a negative seed, an unknown sampler, or none that is fitted.
        """
        for what, value, least in (("n", n, 1), ("seed", seed, 0)):
            if not isinstance(value, (int, np.integer)) or value < least:
                raise UsageError(f"{what} must be a whole number, at least {least}, got {value!r}")
        if sampler is None:
            sampler = self.sampler or "prior"
        if sampler == "fitted" and self.sampler is None:
            raise UsageError("no sampler is fitted: call model.fit_sampler(images) first")
        known = {"prior": Prior(self.latent_shape), "fitted": self.sampler}
        sampler = known.get(sampler, sampler) if isinstance(sampler, str) else sampler
        if not isinstance(sampler, Sampler):
            raise UsageError(f"unknown sampler {sampler!r}; known: prior, fitted, or a Sampler")
        return self.compiled_method(sampler.decodes)(sampler.sample(n, seed))


def save(sampler: Sampler, path: pathlib.Path) -> None:
    """Write a sampler as an .npz; raises UsageError if `load` would not read it."""
    if type(sampler) not in KINDS.values():
        raise UsageError(f"a sampler of your own, {type(sampler).__name__}, cannot be saved")
    np.savez_compressed(path, kind=type(sampler).__name__, **sampler.arrays())


def load(path: pathlib.Path) -> Sampler | None:
    """The sampler in a file; None if there is no such file. Raises UsageError if it is damaged."""
    if not path.exists():
        return None
    try:
        arrays = read_npz(path, most=LARGEST)
        sampler = KINDS[str(arrays.pop("kind"))](**arrays)
        sampler.sample(1)  # shapes may not fit together
        return sampler
    except Exception as error:  # zipfile, zlib, numpy and Keras raise many kinds
        raise UsageError(f"{path} cannot be read ({error})") from error
