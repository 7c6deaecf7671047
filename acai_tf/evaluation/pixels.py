"""Raw pixels as codes: the baseline that an autoencoder's codes have to beat."""

from collections.abc import Callable

import numpy as np

from acai_tf.errors import CannotEvaluate


def to_float(images) -> np.ndarray:
    """Images, uint8 or float in [-1, 1], as float32 in [-1, 1]."""
    from acai_tf.models.reconstruction import to_unit  # imports keras, which takes seconds

    return np.asarray(to_unit(np.asarray(images)))


class Pixels:
    """`Autoencoder.compiled_method` for the identity; it interpolates by blending pixels.

    Args:
        image_shape: (height, width, colors).
    """

    def __init__(self, image_shape: tuple[int, int, int]):
        self.image_shape = self.latent_shape = tuple(image_shape)

    def compiled_method(self, name: str, steps: int = 16, method: str = "lerp") -> Callable:
        """An inference method on arrays; raises CannotEvaluate for "classify"."""
        from acai_tf.models.interpolation import PATHS  # imports keras, which takes seconds

        if name == "classify":
            raise CannotEvaluate("raw pixels have no jointly trained probe")
        if name == "interpolate":
            path, positions = PATHS[method], np.linspace(0, 1, steps)
            return lambda start, end: np.asarray(path(to_float(start), to_float(end), positions))
        return to_float  # encode, decode, reconstruct
