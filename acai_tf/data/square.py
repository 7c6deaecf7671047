"""One picture of any size, brought to another: centre crop, area resize."""

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)


def square(
    image: Image.Image, size: int, colors: int, background: tuple[int, int, int] = WHITE
) -> np.ndarray:
    """The middle square of a picture at another size; see `middle`."""
    return middle(image, (size, size, colors), background)


def middle(
    image: Image.Image, shape: tuple[int, int, int], background: tuple[int, int, int] = WHITE
) -> np.ndarray:
    """The middle of a picture at another size: as much of it as has the proportions of `shape`.

    Shrinking takes each pixel's mean over the area it covers; enlarging is bilinear.

    Args:
        image: a picture of any mode and size; it is turned upright if it says that it lies.
        shape: (height, width, colors) of the result; 1 or 3 colors.
        background: (red, green, blue), 0..255, seen where the picture is transparent.

    Returns:
        [height, width, colors] uint8.

    Raises:
        ValueError: its pixels are fractions, of no known range.
        OSError: its file is damaged (Pillow reads it only now).
    """
    height, width, colors = shape
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions, of no known range")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    image = image.convert("L" if colors == 1 else "RGB")
    across = min(image.width, image.height * width / height)
    down = min(image.height, image.width * height / width)
    left, top = (image.width - across) // 2, (image.height - down) // 2
    image = image.resize(
        (width, height),
        Image.Resampling.BOX if across >= width else Image.Resampling.BILINEAR,
        box=(left, top, left + across, top + down),
    )
    return np.asarray(image).reshape(shape)


def is_grey(image: Image.Image, background: tuple[int, int, int] = WHITE) -> bool:
    """Whether a picture has no colors by its mode, and the background by none that it shows;
    without reading its pixels."""
    if image.has_transparency_data and len(set(background)) > 1:
        return False
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
