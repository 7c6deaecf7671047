"""One picture of any size, made square: centre crop, area resize."""

import numpy as np
from PIL import Image, ImageOps


def square(image: Image.Image, size: int, colors: int) -> np.ndarray:
    """The middle square of a picture at another size.

    Shrinking takes each pixel's mean over the area it covers; enlarging is bilinear.

    Args:
        image: a picture of any mode and size; it is turned upright if it says that it lies.
            Transparency is dropped.
        size: height and width of the result.
        colors: 1 or 3.

    Returns:
        [size, size, colors] uint8.

    Raises:
        ValueError: its pixels are fractions, of no known range.
        OSError: its file is damaged (Pillow reads it only now).
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions, of no known range")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    image = image.convert("L" if colors == 1 else "RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    image = image.resize(
        (size, size),
        Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
    )
    return np.asarray(image).reshape(size, size, colors)


def is_grey(image: Image.Image) -> bool:
    """Whether a picture has no colors by its mode; without reading its pixels."""
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
