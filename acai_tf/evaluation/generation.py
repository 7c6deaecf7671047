"""Generation: are new images like those of the data, and as varied?"""

from collections.abc import Callable

import numpy as np

from acai_tf import kinds, registry
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import figures, realism
from acai_tf.evaluation.context import Context, finite, shrunk
from acai_tf.evaluation.neighbours import squared_distances
from acai_tf.evaluation.pixels import to_float
from acai_tf.lazy import keras
from acai_tf.models.samplers import CODES, IndexChain

IMAGES = 10_000  # test images, and samples, at most
DRAWS = 3  # from a sampler, each with a seed
K = 5  # neighbors
PART = 500  # images, or rows of the table of distances, in memory
MEASURES = {
    "fd": ("Frechet distance", "lower"),
    "fd_std": ("its std over 3 draws", ""),
    "precision": ("precision, 0..1", "higher"),
    "recall": ("recall, 0..1", "higher"),
    "density": ("density, about 1 for real images", ""),
    "coverage": ("coverage, 0..1", "higher"),
}
ALL = tuple(MEASURES)
SETS = {  # of images: (name for people, what is measured of them)
    "fitted": ("samples, fitted mixture", ALL),
    "prior": ("samples, N(0, I)", ALL),
    "chain": ("samples, chain of a VQ-VAE's indices", ALL),
    "middle": ("halfway between classes", ("fd",)),
    "reconstruction": ("reconstructions", ("fd",)),
    "blend": ("pixel blends halfway", ("fd",)),
    "train": ("training images", tuple(name for name in ALL if name != "fd_std")),
    "noise": ("random pixels", ("fd",)),
}
OF_DATA = ("blend", "train", "noise")  # the same for all models
OWN = "own_"  # scores with features of the user's own begin with this
_SCORES = {
    f"{which}_{measure}": (
        f"{shown}: {MEASURES[measure][0]}",
        "" if which in OF_DATA else MEASURES[measure][1],
    )
    for which, (shown, measures) in SETS.items()
    for measure in measures
}
SCORES = _SCORES | {
    OWN + name: (f"own features, {shown}", better) for name, (shown, better) in _SCORES.items()
}


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of two normal distributions (Heusel et al. 2017, FID).

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), with the means and covariances of features
    [N, f] and [M, f].
    """
    c_a, c_b = (np.cov(x, rowvar=False).reshape(x.shape[1], -1) for x in (a, b))
    # The eigenvalues of C_a C_b are those of the symmetric R C_b R with R = C_a^(1/2).
    values, vectors = np.linalg.eigh(c_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c_b @ root), 0)).sum()
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(c_a) + np.trace(c_b) - 2 * both)


class Balls:
    """Features [N, f] and the balls around them that reach to the k-th neighbor.

    Raises CannotEvaluate unless N > k.
    """

    def __init__(self, features: np.ndarray, k: int = K):
        if len(features) <= k:
            raise CannotEvaluate(f"{len(features)} images are too few for {k} neighbors")
        self.features, self.k = features.astype(np.float32), k
        starts = range(0, len(features), PART)
        # The 0-th neighbor is the feature itself.
        near = (np.partition(self.distances(i, self.features), k, axis=1)[:, k] for i in starts)
        self.radius = np.concatenate(list(near))  # squared, as all distances here

    def distances(self, start: int, others: np.ndarray) -> np.ndarray:
        """Squared distances of the features from `start` on to others [M, f]: [500, M]."""
        return squared_distances(self.features[start : start + PART], others)


def precision_recall(real: Balls, fake: Balls) -> dict[str, float]:
    """{"precision", "recall", "density", "coverage"} (Kynkaanniemi et al. 2019; Naeem et al. 2020).

    Precision: the share of fakes in some real ball. Recall: of real ones in some fake ball.
    Density: the number of real balls that a fake is in, over k, on average. Coverage: the share of
    real balls with a fake in them.
    """
    inside, covered, recalled = np.zeros(len(fake.features), int), [], []
    for start in range(0, len(real.features), PART):
        distance = real.distances(start, fake.features)
        in_ball = distance < real.radius[start : start + PART, None]
        inside += in_ball.sum(0)
        covered.append(in_ball.any(1))
        recalled.append((distance < fake.radius).any(1))
    return {
        "precision": float(np.mean(inside > 0)),
        "recall": float(np.mean(np.concatenate(recalled))),
        "density": float(np.mean(inside) / real.k),
        "coverage": float(np.mean(np.concatenate(covered))),
    }


def extractor(context: Context, features: str | None = None) -> Callable:
    """The function from images [N, H, W, C], uint8 or about [-1, 1], to features [N, f].

    The default, None: of a dataset with classes, the last convolution of the classifier that
    `transitions` trains, averaged over places; of others, oriented gradients as in `realism`.
    """
    if features:
        function = registry.find("features", features, {})
        return lambda images: function(as_uint8(images))
    if context.dataset.classes > 1:
        from acai_tf.evaluation import classifier  # imports keras, which takes seconds

        network = classifier.features(classifier.trained(context))
        return lambda images: network.predict_on_batch(np.clip(shrunk(images), -1, 1))
    return lambda images: realism.feature(np.clip(shrunk(images), -1, 1))


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Images, uint8 or about [-1, 1], as uint8."""
    return images if images.dtype == np.uint8 else figures.to_uint8(images)


class Judge:
    """Measures of sets of images against a context's test images.

    A set is a function that makes its images in a slice, so that large ones are never in memory.
    """

    def __init__(self, context: Context, features: str | None):
        images = context.dataset.test_images[:IMAGES]
        if len(images) <= K:
            raise CannotEvaluate(f"{len(images)} test images are too few for {K} neighbors")
        self.extract = extractor(context, features)
        self.real = self.features(images.__getitem__, len(images), "test images")
        self.center, self.spread = self.real.mean(0), self.real.std()
        if not self.spread > 1e-9:
            raise CannotEvaluate("all test images have the same features")
        self.balls = self.around(self.real)

    def around(self, features: np.ndarray) -> Balls:
        """`Balls` of features, in the units of the test images'."""
        return Balls((features - self.center) / self.spread)

    def features(self, make: Callable, count: int, what: str) -> np.ndarray:
        """Features of a set [count, f]; raises CannotEvaluate unless they are finite numbers."""
        found = []
        for start in range(0, count, PART):
            images = finite(make(slice(start, min(start + PART, count))), what)
            part = np.asarray(self.extract(images))
            numbers = np.issubdtype(part.dtype, np.number) and part.ndim == 2
            if not numbers or part.shape != (len(images), (found or [part])[0].shape[1]):
                shape = f"{part.dtype} {list(part.shape)}"
                raise CannotEvaluate(
                    f"features of {len(images)} images must be [N, f], got {shape}"
                )
            found.append(part.astype(np.float64))
        return finite(np.concatenate(found), f"features of {what}")

    def measures(self, which: str, count: int, *draws: Callable) -> dict[str, float]:
        """The scores of a set of `count` images, the mean over draws of it."""
        shown, measures = SETS[which]
        found = []
        for make in draws:
            features = self.features(make, count, shown)
            found.append({"fd": frechet_distance(self.real, features)})
            if "recall" in measures:
                found[-1] |= precision_recall(self.balls, self.around(features))
        scores = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        scores["fd_std"] = float(np.std([one["fd"] for one in found]))
        return {f"{which}_{measure}": scores[measure] for measure in measures}


def evaluate(context: Context, features: str | None = None, version: str = "") -> dict[str, float]:
    """New images, and images halfway between classes, against the test images.

    Sets of as many images as there are test images, at most 10,000, are each compared with those:

    - samples decoded from N(0, I), and from a Gaussian mixture fitted to the codes of 20,000
      training images (of a VQ-VAE also from a chain of codebook indices), the mean of 3 draws;
    - images halfway, in the code, between a test image and one of another class, and the blends of
      their pixels;
    - reconstructions; training images, the best that can be expected; random pixels, the worst.

    The Frechet distance compares mean and covariance of features, precision and density how many
    samples are near real images, recall and coverage how many real images are near samples (5
    neighbors). Density is above 1 for images smoother than real ones. Features are those of the
    classifier of `transitions`, which is trained on this dataset: values cannot be compared with
    published FID, nor between datasets. Without classes, they are oriented gradients, as in
    `realism`. With features of your own, scores are called own_...

    The distance of halfway images is a second opinion on `realism`, which prefers smooth images.
    """
    context.check_kind(kinds.IMAGES)
    if not hasattr(context.model, "sample"):
        raise CannotEvaluate("raw pixels have no decoder")
    judge, images = Judge(context, features), context.dataset.test_images[:IMAGES]
    model, count, scores = context.model, len(images), {}

    def drawn(sampler, draw):
        def make(some):
            return model.sample(some.stop - some.start, sampler, draw * IMAGES + some.start)

        return make

    samplers = {"fitted": context.sampler, "prior": "prior"}
    if model.discrete:
        train = context.dataset.train_once(CODES)[0]
        samplers["chain"] = IndexChain(model.compiled_method("encode_indices")(train))
    for which, sampler in samplers.items():
        scores |= judge.measures(which, count, *(drawn(sampler, n) for n in range(DRAWS)))
    first, second = pairs(context.dataset.test_labels[:IMAGES])
    codes = (context.test_codes[first] + context.test_codes[second]) / 2
    codes = codes.reshape(-1, *model.latent_shape)
    decode, reconstruct = model.compiled_method("decode"), model.compiled_method("reconstruct")
    scores |= judge.measures("middle", len(codes), lambda some: decode(codes[some]))
    scores |= judge.measures("reconstruction", count, lambda some: reconstruct(images[some]))

    def of_data():
        rng, train = np.random.default_rng(0), context.dataset.train_once(count)[0]

        def blend(some):
            return (to_float(images[first[some]]) + to_float(images[second[some]])) / 2

        def noise(some):
            return rng.integers(0, 256, (some.stop - some.start, *images.shape[1:]), np.uint8)

        found = judge.measures("blend", len(first), blend)
        found |= judge.measures("train", len(train), train.__getitem__)
        return found | judge.measures("noise", count, noise)

    name = f"generation-{keras.backend.backend()}"
    of_data = of_data() if features else context.cached("generation", name, of_data)
    scores |= {name: float(value) for name, value in of_data.items()}
    return {f"{OWN if features else ''}{name}": value for name, value in scores.items()}


def pairs(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of images and of random partners, of another class if there are several, [N] each."""
    rng, partner = np.random.default_rng(0), np.empty(len(label), np.int64)
    for one in np.unique(label):
        same = label == one
        others = np.flatnonzero(~same)
        if not len(others):  # a single class
            return np.arange(len(label)), np.roll(np.arange(len(label)), 1)
        partner[same] = rng.choice(others, same.sum())
    return np.arange(len(label)), partner


def draw(context: Context, features: str | None = None, version: str = "") -> dict:
    """New images, decoded from the fitted mixture."""
    rows, columns = figures.layout(context.dataset.image_shape)
    images = context.model.sample(rows * columns, context.sampler)
    sheet = figures.grid(images.reshape(rows, columns, *images.shape[1:]))
    return {"new images": figures.captioned(sheet, "decoded from a fitted mixture, none is real")}
