"""One picture of any size, made square: centre crop, area resize."""

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)


def square(
    image: Image.Image, size: int, colors: int, background: tuple[int, int, int] = WHITE
) -> np.ndarray:
    """The middle square of a picture at another size.

    Shrinking takes each pixel's mean over the area it covers; enlarging is bilinear.

    Args:
        image: a picture of any mode and size; it is turned upright if it says that it lies.
        size: height and width of the result.
        colors: 1 or 3.
        background: (red, green, blue), 0..255, seen where the picture is transparent.

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
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    image = image.convert("L" if colors == 1 else "RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    image = image.resize(
        (size, size),
        Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR,
        box=(left, top, left + side, top + side),
    )
    return np.asarray(image).reshape(size, size, colors)


def is_grey(image: Image.Image, background: tuple[int, int, int] = WHITE) -> bool:
    """Whether a picture has no colors by its mode, and the background by none that it shows;
    without reading its pixels."""
    if image.has_transparency_data and len(set(background)) > 1:
        return False
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
