"""What all models share that have the verbs: `Autoencoder`, exported ones, raw pixels."""

import math
import warnings
from collections.abc import Callable

import numpy as np

from acai_tf.errors import UsageError

PART = 500 * 32 * 32  # pixels of the images that a compiled verb takes or makes at a time
METHODS = ("lerp", "slerp")
FLOAT_LIMIT = 2.0  # of float images: [-1, 1], and what decoders and noise add to it


def check_images(images, image_shape: tuple[int, int, int]) -> None:
    """See that images are what a model takes: [B, H, W, C], uint8, or float in [-1, 1].

    Args:
        images: an array or a tensor; the values of a tensor are not looked at.
        image_shape: (height, width, colors).

    Raises:
        UsageError: another shape or type, no images, a value that is not finite, or far outside
            [-1, 1].

    Warns, once a process, where all values are in [0, 1].
    """
    if not hasattr(images, "shape"):
        raise UsageError(f"images are an array [B, H, W, C], not a {type(images).__name__}")
    shape = tuple(images.shape)
    if not shape or shape[1:] != tuple(image_shape):
        expected = ", ".join(map(str, image_shape))
        raise UsageError(f"the model takes images [B, {expected}], these are {list(shape)}")
    if shape[0] == 0:
        raise UsageError("there are no images in this batch")
    if not isinstance(images, np.ndarray) or images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise UsageError(f"images are uint8, or float in [-1, 1]; these are {images.dtype}")
    low, high = float(images.min()), float(images.max())
    largest = max(-low, high)
    if not math.isfinite(largest):
        raise UsageError("the images hold values that are not finite numbers")
    if largest > FLOAT_LIMIT:
        raise UsageError(
            f"float images are in [-1, 1], these reach {largest:g}; give 0..255 as uint8"
        )
    if low >= 0 and 0 < high <= 1:
        warnings.warn(
            "all values of these float images are in [0, 1]; if that is their range, bring them to"
            " [-1, 1], which the model takes: 2 * images - 1",
            stacklevel=1,  # one place, so that it is said once
        )


def check_path(images_0, images_1, steps: int, method: str) -> None:
    """See that there is a path between images; raises UsageError where there is none."""
    if not isinstance(steps, (int, np.integer)):
        raise UsageError(f"steps must be a whole number, got {steps!r}")
    if steps < 2:
        raise UsageError(f"a path has both its ends: steps must be at least 2, got {steps}")
    _check_ends(images_0, images_1, method)


def check_points(images_0, images_1, t, method: str) -> None:
    """See that there is a path between images, and that t [K] are points of it.

    The values of a tensor are not looked at.

    Raises:
        UsageError: there is no path, or t is empty, of another shape or not finite.
    """
    try:
        t = t if hasattr(t, "shape") else np.asarray(t, float)
    except (TypeError, ValueError) as error:
        raise UsageError(f"t must be a list of numbers, got {t!r}") from error
    if len(t.shape) != 1 or t.shape[0] == 0:
        raise UsageError(f"t must be points [K], one at least, got the shape {list(t.shape)}")
    if isinstance(t, np.ndarray) and not np.all(np.isfinite(t)):
        raise UsageError(f"t must be finite numbers, got {t}")
    _check_ends(images_0, images_1, method)


def _check_ends(images_0, images_1, method: str) -> None:
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if not (hasattr(images_0, "shape") and hasattr(images_1, "shape")):
        return  # `check_images` refuses them
    if images_0.shape[:1] != images_1.shape[:1]:
        raise UsageError(
            f"a path needs both ends: {images_0.shape[0]} and {images_1.shape[0]} images"
        )


def check_latents(latents, latent_shape: tuple[int, int, int]) -> None:
    """See that latents are what a model decodes; raises UsageError where their shape is another."""
    shape = tuple(getattr(latents, "shape", ()))
    if shape[1:] != tuple(latent_shape) or shape[0] == 0:
        expected = ", ".join(map(str, latent_shape))
        raise UsageError(f"the model decodes latents [B, {expected}], these are {list(shape)}")


def in_parts(
    function: Callable, image_shape: tuple[int, int, int], verb: str, steps: int = 1, **_
) -> Callable:
    """A verb that takes any number of images, a part of them at a time: memory does not grow.

    Args:
        function: the verb, from arrays to an array.
        image_shape: (height, width, colors).
        verb: its name.
        steps: images that it makes of each.
    """
    part = max(1, PART // (math.prod(image_shape[:2]) * steps))
    axis = 1 if verb == "interpolate" else 0  # of the images in what comes back

    def verb_in_parts(*arrays):
        if verb != "decode":
            for images in arrays:
                check_images(images, image_shape)
        starts = range(0, max(1, len(arrays[0])), part)
        parts = [function(*(array[i : i + part] for array in arrays)) for i in starts]
        return np.concatenate(parts, axis)

    return verb_in_parts
