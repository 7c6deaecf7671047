"""What all inference methods share: checks of their arguments, and inputs of any length."""

import math
import warnings
from collections.abc import Callable

import numpy as np

from acai_tf.errors import UsageError

PART = 500 * 32 * 32  # pixels, or numbers, that a compiled method makes at a time
METHODS = ("lerp", "slerp")
FLOAT_LIMIT = 2.0  # of float images: decoders and noise exceed [-1, 1]


def check_images(images, image_shape: tuple[int, ...]) -> None:
    """Check that images are [B, *image_shape], uint8 or float in [-1, 1]; signals [B, T, C] are
    floats of any size.

    Warns once per process if all values are in [0, 1].

    Args:
        images: an array or a tensor; only the shape of a tensor is checked.
        image_shape: (height, width, channels).

    Raises:
        UsageError: wrong shape or type, no images, or values that are not finite or far outside
            [-1, 1].
    """
    if not hasattr(images, "shape"):
        raise UsageError(f"images must be an array [B, H, W, C], not a {type(images).__name__}")
    shape = tuple(images.shape)
    if not shape or shape[1:] != tuple(image_shape):
        raise UsageError(f"the model takes images {_batch(image_shape)}, got {list(shape)}")
    if shape[0] == 0:
        raise UsageError("the batch has no images")
    if not isinstance(images, np.ndarray) or images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise UsageError(f"images must be uint8, or float in [-1, 1], not {images.dtype}")
    low, high = float(images.min()), float(images.max())
    largest = max(-low, high)
    if not math.isfinite(largest):
        raise UsageError("the images have values that are not finite")
    if len(image_shape) != 3:
        return
    if largest > FLOAT_LIMIT:
        raise UsageError(
            f"float images must be in [-1, 1], these reach {largest:g}; pass 0..255 as uint8"
        )
    if low >= 0 and 0 < high <= 1:
        warnings.warn(
            "all values of these float images are in [0, 1]; if that is their range, rescale them"
            " to [-1, 1], which the model takes: 2 * images - 1",
            stacklevel=1,  # a single location, so that Python shows it once
        )


def check_tokens(tokens, shape: tuple[int, ...], levels: int) -> None:
    """Check that tokens are integers [B, *shape] in [0, levels), or probabilities of them
    [B, *shape, levels], or raise UsageError.

    Only shape and type of a tensor are checked.
    """
    given, kind = tuple(getattr(tokens, "shape", ())), str(getattr(tokens, "dtype", type(tokens)))
    whole = given[1:] == tuple(shape) and "int" in kind
    probable = given[1:] == (*shape, levels) and "float" in kind
    if not (whole or probable) or given[0] == 0:
        wanted = f"whole numbers {_batch(shape)} below {levels}"
        raise UsageError(f"the model takes {wanted}, got {kind} {list(given)}")
    if isinstance(tokens, np.ndarray) and "int" in kind:
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= levels:
            raise UsageError(f"tokens must be in 0..{levels - 1}, these are {low} to {high}")


def check_latents(latents, latent_shape: tuple[int, ...]) -> None:
    """Check that latents are [B, *latent_shape], or raise UsageError."""
    shape = tuple(getattr(latents, "shape", ()))
    if shape[1:] != tuple(latent_shape) or shape[0] == 0:
        raise UsageError(f"the model decodes latents {_batch(latent_shape)}, got {list(shape)}")


def check_indices(indices, count: int, size: float = math.inf) -> None:
    """Check that indices are [B, count] integers below a codebook's size, or raise UsageError.

    Only the shape of a tensor is checked.
    """
    shape = tuple(getattr(indices, "shape", ()))
    fit = shape[1:] == (count,) and shape[0] != 0
    if fit and isinstance(indices, np.ndarray):
        fit = np.issubdtype(indices.dtype, np.integer)
        fit = fit and indices.min() >= 0 and indices.max() < size
    if not fit:
        got = f"{indices.dtype} {list(shape)}" if shape else repr(indices)
        raise UsageError(f"the model decodes indices {_batch((count,))} of its codebook, got {got}")


def check_path(images_0, images_1, t, method: str) -> None:
    """Check the arguments of `interpolate_at`; only the shape of a tensor t is checked.

    Raises:
        UsageError: t is not [K] finite numbers, the method is unknown, or there are not as many
            images_1 as images_0.
    """
    try:
        t = t if hasattr(t, "shape") else np.asarray(t, float)
    except (TypeError, ValueError) as error:
        raise UsageError(f"t must be a list of numbers, got {t!r}") from error
    if len(t.shape) != 1 or t.shape[0] == 0:
        raise UsageError(f"t must be positions [K], at least one, got shape {list(t.shape)}")
    if isinstance(t, np.ndarray) and not np.all(np.isfinite(t)):
        raise UsageError(f"t must be finite numbers, got {t}")
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    counts = [images.shape[0] for images in (images_0, images_1) if getattr(images, "shape", ())]
    if len(counts) == 2 and counts[0] != counts[1]:
        raise UsageError(f"a path needs both ends: got {counts[0]} and {counts[1]} images")


def even_positions(steps: int) -> np.ndarray:
    """Evenly spaced positions from 0 to 1, [steps]; UsageError unless steps is an int >= 2."""
    if not isinstance(steps, (int, np.integer)) or steps < 2:
        raise UsageError(f"steps must be a whole number, at least 2, got {steps!r}")
    return np.linspace(0, 1, steps)


def in_parts(
    function: Callable,
    check: Callable,
    made_shape: tuple[int, ...],
    name: str,
    steps: int = 1,
    **_,
) -> Callable:
    """The inference method `name` for any number of images, at constant memory.

    `function` computes it for a part of them, and makes `steps` images of `made_shape` of each;
    `check` is called with each whole array of images.
    """
    part = max(1, PART // (math.prod(made_shape[:2]) * steps))
    axis = 1 if name.startswith("interpolate") else 0  # of the images in the result

    def method(*arrays):
        if not name.startswith("decode"):
            for images in arrays:
                check(images)
        starts = range(0, max(1, len(arrays[0])), part)
        return np.concatenate([function(*(a[i : i + part] for a in arrays)) for i in starts], axis)

    return method


def _batch(shape: tuple[int, ...]) -> str:
    return f"[B, {', '.join(map(str, shape))}]"
