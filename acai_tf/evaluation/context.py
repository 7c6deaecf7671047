"""What is evaluated, and on what; whatever several evaluators need is computed once."""

import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from acai_tf.data.dataset import Dataset
from acai_tf.errors import CannotEvaluate

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

TRAIN_CODES = 60_000  # of section 4.2; all of MNIST and CIFAR-10
PAIRS, STEPS = 256, 16  # interpolations between test images, and images of each
SIZE = 32  # pixels of the longer side: larger images are shrunk to look at single interpolants


class Context:
    """A model at its present weights, and a dataset.

    Args:
        model: an `Autoencoder`, or what has its `compiled_method`, `image_shape` and
            `latent_shape`: an exported one, or raw pixels.
        dataset: what its codes are taken of.
        records: its reports so far, oldest first.
        cache: the folder where what is the same for every model of a dataset is kept; None:
            it is computed again.
    """

    def __init__(
        self,
        model: "Autoencoder",
        dataset: Dataset,
        records: list[dict] = (),
        cache: pathlib.Path | None = None,
    ):
        self.model, self.dataset, self.records, self.cache = model, dataset, records, cache
        self._results = {}

    def check_classes(self) -> None:
        """Raises CannotEvaluate where there are no classes to tell apart."""
        if self.dataset.classes < 2:
            raise CannotEvaluate(f"{self.dataset.name} has no classes")

    @property
    def train_images(self) -> np.ndarray:
        """The first 60,000 training images, [N, H, W, C]."""
        return self._train[0]

    @property
    def train_labels(self) -> np.ndarray:
        """Their labels, whole numbers [N]."""
        return self._train[1]

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        """Their codes, [N, d] float32. Raises CannotEvaluate if one is not finite."""
        return self._codes(self.train_images, "training")

    @functools.cached_property
    def test_codes(self) -> np.ndarray:
        """Codes of all test images, [M, d] float32. Raises CannotEvaluate if one is not finite."""
        return self._codes(self.dataset.test_images, "test")

    @functools.cached_property
    def logits(self) -> np.ndarray:
        """What the jointly trained probe says of all test images, [M, classes]; see `classify`."""
        return self.classify(self.dataset.test_images)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """What the jointly trained probe says of images, [N, H, W, C] -> [N, classes].

        Raises:
            CannotEvaluate: there are no classes, no such probe, or its answers are not finite.
        """
        self.check_classes()
        logits = self.model.compiled_method("classify")(images)
        if logits.shape[1] != self.dataset.classes:
            raise CannotEvaluate(
                f"the model's probe tells {logits.shape[1]} classes apart,"
                f" {self.dataset.name} has {self.dataset.classes}"
            )
        return _finite(logits, "answers of the probe")

    @property
    def pairs(self) -> int:
        """How many interpolations there are between test images: a quarter of those, 256 at most.

        Pair i goes from test image i to test image pairs + i; what follows those is left for
        comparison.
        """
        count = min(PAIRS, len(self.dataset.test_images) // 4)
        if not count:
            raise CannotEvaluate(f"{self.dataset.name} has fewer than 4 test images")
        return count

    @functools.cached_property
    def paths(self) -> np.ndarray:
        """Interpolations between test images, [pairs, 16, h, w, C], at most 32 pixels wide.

        Raises:
            CannotEvaluate: a pixel is not finite.
        """
        return self._paths(self.model)

    @functools.cached_property
    def blends(self) -> np.ndarray:
        """The same ways as `paths`, as one image fades out and the other in."""
        from acai_tf.evaluation.pixels import Pixels

        return self._paths(Pixels(self.dataset.image_shape))

    def _paths(self, model) -> np.ndarray:
        interpolate = model.compiled_method("interpolate", steps=STEPS)
        images, pairs = self.dataset.test_images, self.pairs
        parts = []
        height, width, _ = self.dataset.image_shape
        part = max(1, PAIRS * SIZE**2 // (height * width))  # whole paths that are held at a time
        for start in range(0, pairs, part):
            stop = min(start + part, pairs)
            path = interpolate(images[start:stop], images[pairs + start : pairs + stop])
            small = shrunk(path.reshape(-1, *path.shape[2:]))
            parts.append(small.reshape(STEPS, stop - start, *small.shape[1:]).swapaxes(0, 1))
        return _finite(np.concatenate(parts), "interpolated images")

    @functools.cached_property
    def _train(self):
        return self.dataset.train_once(TRAIN_CODES)

    def _codes(self, images, which: str) -> np.ndarray:
        codes = self.model.compiled_method("encode")(images)
        return _finite(codes.reshape(len(codes), -1), f"{which} images' codes")


def shared(function: Callable) -> Callable:
    """Compute a function of a context once for each set of its options.

    Called without options it returns its latest result, if there is one: a figure shows what its
    evaluator computed, whatever the options were.
    """

    @functools.wraps(function)
    def once(context: Context, **options):
        results = context._results.setdefault(function, {})
        if options or not results:
            key = tuple(sorted(options.items()))
            result = results.pop(key) if key in results else function(context, **options)
            results[key] = result  # the last one is the latest
        return next(reversed(results.values()))

    return once


def shrunk(images: np.ndarray) -> np.ndarray:
    """Images [N, H, W, C], uint8 or float in [-1, 1], as float32 in [-1, 1] of `shrunk_size`.

    Larger ones are shrunk bilinearly, with the filter widened to the scale.
    """
    from keras import ops

    from acai_tf.models.reconstruction import to_unit

    size = shrunk_size(*images.shape[1:3])
    if size == tuple(images.shape[1:3]):
        return np.asarray(to_unit(np.asarray(images)))
    parts = (images[start : start + 256] for start in range(0, len(images), 256))
    small = (ops.image.resize(to_unit(part), size, antialias=True) for part in parts)
    return np.concatenate([ops.convert_to_numpy(part) for part in small])


def shrunk_size(height: int, width: int) -> tuple[int, int]:
    """Height and width with the longer side at most 32, in the same proportion."""
    scale = min(1, SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    bad = int(np.sum(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
    if bad:
        raise CannotEvaluate(f"{bad:,} of {len(values):,} {what} are not finite numbers")
    return values
