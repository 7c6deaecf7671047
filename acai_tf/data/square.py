"""Pictures of any size and mode as images of one shape: center crop, area resize."""

import numpy as np
from PIL import Image, ImageOps

WHITE = (255, 255, 255)


def middle(
    image: Image.Image, shape: tuple[int, int, int], background: tuple[int, int, int] = WHITE
) -> np.ndarray:
    """Crop the center of a picture, with the aspect ratio of `shape`, and resize it.

    A pixel of a smaller image is the mean over the area it covers; enlarging is bilinear.

    Args:
        image: a picture of any mode and size; rotated as its EXIF data say.
        shape: (height, width, colors) of the result; 1 or 3 colors.
        background: (red, green, blue), 0..255, behind transparent pixels.

    Returns:
        [height, width, colors] uint8.

    Raises:
        ValueError: its pixels are floats, of unknown range.
        OSError: its file is damaged, which Pillow notices only here.
    """
    height, width, colors = shape
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are fractions, of no known range")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    image = image.convert("L" if colors == 1 else "RGB")
    # ImageOps.fit would crop half a pixel elsewhere: images decoded before would differ.
    across = min(image.width, image.height * width / height)
    down = min(image.height, image.width * height / width)
    left, top = (image.width - across) // 2, (image.height - down) // 2
    method = Image.Resampling.BOX if across >= width else Image.Resampling.BILINEAR
    image = image.resize((width, height), method, box=(left, top, left + across, top + down))
    return np.asarray(image).reshape(shape)


def is_grey(image: Image.Image, background: tuple[int, int, int] = WHITE) -> bool:
    """Whether a picture, on this background, is grey by its mode; its pixels are not read."""
    if image.has_transparency_data and len(set(background)) > 1:
        return False
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
