"""What evaluators read: a model, a dataset, and what several of them need, computed once."""

import contextlib
import functools
import math
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from acai_tf.data.dataset import Dataset
from acai_tf.data.vocabulary import most_likely
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import code_hash
from acai_tf.evaluation.pixels import Pixels, to_float
from acai_tf.files import replacing
from acai_tf.kinds import TOKENS, network_shape
from acai_tf.models import samplers

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

TRAIN_CODES = 60_000  # of section 4.2; all of MNIST and CIFAR-10
PAIRS, STEPS = 256, 16  # interpolations between test images, and images of each
SIZE = 32  # pixels of the longer side at which interpolated images are compared


class Context:
    """A model with its current weights, and a dataset.

    Args:
        model: an `Autoencoder`, or an object with its `compiled_method`, `image_shape` and
            `latent_shape`: an exported model, or `Pixels`.
        dataset: the images that it is evaluated on.
        records: the run's reports so far, oldest first.
        cache: folder for results that are the same for all models of a dataset; None: no cache.
    """

    def __init__(
        self,
        model: "Autoencoder",
        dataset: Dataset,
        records: list[dict] = (),
        cache: pathlib.Path | None = None,
    ):
        self.model, self.dataset, self.records, self.cache = model, dataset, records, cache
        self.shared = {}

    def check_kind(self, *kinds: str) -> None:
        """Raises CannotEvaluate if the dataset's elements are of other kinds."""
        if (kind := self.dataset.kind) not in kinds:
            raise CannotEvaluate(f"{self.dataset.name} has {kind}, not {' or '.join(kinds)}")

    def check_classes(self) -> None:
        """Raises CannotEvaluate if the dataset has no classes."""
        if self.dataset.classes < 2:
            raise CannotEvaluate(f"{self.dataset.name} has no classes")

    def cached(self, evaluator: str, name: str, compute: Callable[[], dict]) -> dict:
        """compute(), arrays by name that depend on the dataset and an evaluator's code only, or the
        same from the cache, where `name` is the file's."""
        if self.cache is None:
            return compute()
        path = self.cache / f"{name}-{code_hash(evaluator)}.npz"
        with contextlib.suppress(Exception), np.load(path) as file:  # damaged: many kinds
            return dict(file)
        arrays = compute()
        with contextlib.suppress(OSError):  # the cache is optional
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial, open(partial, "wb") as file:
                np.savez(file, **arrays)
        return arrays

    @functools.cached_property
    def _train(self) -> tuple[np.ndarray, np.ndarray]:
        return self.dataset.train_once(TRAIN_CODES)

    @property
    def train_labels(self) -> np.ndarray:
        """Labels of the first 60,000 training images, integers [N]."""
        return self._train[1]

    @property
    def train_images(self) -> np.ndarray:
        """The first 60,000 training images, [N, ...]."""
        return self._train[0]

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        """Codes of those images, [N, d] float32. Raises CannotEvaluate if any is not finite."""
        return self._codes(self.train_images, "training")

    @functools.cached_property
    def test_codes(self) -> np.ndarray:
        """Codes of all test images, [M, d] float32. Raises CannotEvaluate if any is not finite."""
        return self._codes(self.dataset.test_images, "test")

    @functools.cached_property
    def logits(self) -> np.ndarray:
        """`classify` of all test images, [M, classes]."""
        return self.classify(self.dataset.test_images)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Logits of the jointly trained probe, [N, H, W, C] -> [N, classes].

        Raises CannotEvaluate: no classes, no probe for these classes, or logits not finite.
        """
        self.check_classes()
        logits = self.model.compiled_method("classify")(images)
        if logits.shape[1] != self.dataset.classes:
            raise CannotEvaluate(
                f"the model's probe has {logits.shape[1]} classes,"
                f" {self.dataset.name} has {self.dataset.classes}"
            )
        return finite(logits, "outputs of the probe")

    @functools.cached_property
    def sampler(self) -> samplers.Mixture:
        """A mixture fitted to the codes of training images."""
        codes = self.train_codes[: samplers.CODES]
        return samplers.Mixture.fit(codes.reshape(-1, *self.model.latent_shape))

    @property
    def pairs(self) -> int:
        """The number of interpolations, from test image i to test image pairs + i: a quarter of
        the test images, at most 256. Later images are left for comparison."""
        count = min(PAIRS, len(self.dataset.test_images) // 4)
        if not count:
            raise CannotEvaluate(f"{self.dataset.name} has fewer than 4 test {self.dataset.kind}")
        return count

    @functools.cached_property
    def paths(self) -> np.ndarray:
        """Interpolations between test images, [pairs, 16, h, w, C], at most 32 pixels wide; tokens
        [pairs, 16, T]. Raises CannotEvaluate if any is not finite."""
        return self._paths(self.model)

    @functools.cached_property
    def blends(self) -> np.ndarray:
        """Pixel blends between the same images, of the shape of `paths`."""
        return self._paths(Pixels(self.dataset.image_shape, self.dataset.vocabulary))

    def _paths(self, model) -> np.ndarray:
        interpolate = model.compiled_method("interpolate", steps=STEPS)
        images, pairs = self.dataset.test_images, self.pairs
        pixels = math.prod(network_shape(self.dataset.image_shape, self.dataset.vocabulary)[:2])
        size = max(1, PAIRS * SIZE**2 // pixels)  # paths in memory at full size
        parts = []
        for start in range(0, pairs, size):
            stop = min(start + size, pairs)
            path = interpolate(images[start:stop], images[pairs + start : pairs + stop])
            path = finite(path.swapaxes(0, 1), "interpolated images")
            flat = path.reshape(-1, *path.shape[2:])
            small = most_likely(flat) if self.dataset.kind == TOKENS else shrunk(flat)
            parts.append(small.reshape(stop - start, STEPS, *small.shape[1:]))
        return np.concatenate(parts)

    def _codes(self, images, which: str) -> np.ndarray:
        codes = self.model.compiled_method("encode")(images)
        return finite(codes.reshape(len(codes), -1), f"codes of {which} images")


def shared(function: Callable) -> Callable:
    """Compute a function of a context and options once, for `evaluate` and `draw`."""

    @functools.wraps(function)
    def once(context: Context, **options):
        key = function, *sorted(options.items())
        if key not in context.shared:
            context.shared[key] = function(context, **options)
        return context.shared[key]

    return once


def shrunk(images: np.ndarray) -> np.ndarray:
    """Images [N, H, W, C], uint8 or float in [-1, 1], as float32 in [-1, 1] of `shrunk_size`.

    Larger ones are resized bilinearly, with antialiasing; signals [N, T, C] are not.
    """
    from keras import ops  # takes seconds to import

    if images.ndim != 4:
        return to_float(images)
    size = shrunk_size(*images.shape[1:3])
    if size == tuple(images.shape[1:3]):
        return to_float(images)
    parts = (to_float(images[start : start + 256]) for start in range(0, len(images), 256))
    small = (ops.image.resize(part, size, antialias=True) for part in parts)
    return np.concatenate([ops.convert_to_numpy(part) for part in small])


def shrunk_size(height: int, width: int) -> tuple[int, int]:
    """Height and width with the longer side at most 32, in the same proportion."""
    scale = min(1, SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def finite(values: np.ndarray, what: str) -> np.ndarray:
    """Values [N, ...] as they are; raises CannotEvaluate if some are not finite."""
    bad = int(np.sum(~np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
    if bad:
        raise CannotEvaluate(f"{bad:,} of {len(values):,} {what} are not finite")
    return values
