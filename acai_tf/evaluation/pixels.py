"""Raw pixels as codes: the baseline that an autoencoder's codes have to beat."""

from collections.abc import Callable

import numpy as np

from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import CannotEvaluate
from acai_tf.kinds import network_shape


def to_float(images) -> np.ndarray:
    """Images, uint8 or float in [-1, 1], as float32 in [-1, 1]."""
    from acai_tf.models.reconstruction import to_unit  # imports keras, which takes seconds

    return np.asarray(to_unit(np.asarray(images)))


class Pixels:
    """`Autoencoder.compiled_method` for the identity; it interpolates by blending pixels.

    Args:
        image_shape: (height, width, colors), or as in `Dataset`.
        vocabulary: of tokens, whose pixels are one-hot vectors.
    """

    def __init__(self, image_shape: tuple[int, ...], vocabulary: Vocabulary | None = None):
        self.image_shape, self.vocabulary = tuple(image_shape), vocabulary
        self.latent_shape = network_shape(self.image_shape, vocabulary)

    def compiled_method(self, name: str, steps: int = 16, method: str = "lerp") -> Callable:
        """An inference method on arrays; raises CannotEvaluate for "classify"."""
        from acai_tf.models.interpolation import PATHS  # imports keras, which takes seconds

        if name == "classify":
            raise CannotEvaluate("raw pixels have no jointly trained probe")
        if name == "interpolate":
            path, positions = PATHS[method], np.linspace(0, 1, steps)
            floats = self._floats
            return lambda start, end: np.asarray(path(floats(start), floats(end), positions))
        return self._floats  # encode, decode, reconstruct

    def _floats(self, images) -> np.ndarray:
        images = np.asarray(images)
        if self.vocabulary is None or np.issubdtype(images.dtype, np.floating):
            return to_float(images)
        return self.vocabulary.one_hot(images)
