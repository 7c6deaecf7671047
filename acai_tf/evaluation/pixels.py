"""Raw pixels as a code: the floor that an autoencoder's codes have to rise above."""

import numpy as np

from acai_tf.errors import CannotEvaluate


class Pixels:
    """What `Autoencoder.compiled_method` gives, for the autoencoder that changes nothing.

    Its interpolation is the pixel blend: one image fades out, the other in.

    Args:
        image_shape: (height, width, colors).
    """

    def __init__(self, image_shape: tuple[int, int, int]):
        self.image_shape = self.latent_shape = tuple(image_shape)

    def compiled_method(self, verb: str, steps: int = 16, method: str = "lerp"):
        """A verb as a function from arrays to arrays; raises CannotEvaluate for "classify"."""
        from acai_tf.models.interpolation import PATHS
        from acai_tf.models.reconstruction import to_unit

        if verb == "classify":
            raise CannotEvaluate("raw pixels have no jointly trained probe")
        if verb == "interpolate":
            return lambda starts, ends: np.asarray(
                PATHS[method](to_unit(starts), to_unit(ends), np.linspace(0, 1, steps))
            )
        return lambda images: np.asarray(to_unit(np.asarray(images)))  # encode, decode, reconstruct
