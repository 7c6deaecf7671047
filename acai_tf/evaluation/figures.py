"""Picture sheets: 16 x 16 grids of images, as in the original; fewer of large ones."""

import numpy as np
from PIL import Image, ImageDraw

from acai_tf.evaluation.pixels import to_float
from acai_tf.evaluation.plots import save as save_png

__all__ = ["captioned", "curves", "grid", "layout", "normalized", "save_png", "sheets", "to_uint8"]
SIDE = 16  # images in a row, and rows; fewer where they are large
FEWEST = 2, 8  # rows and columns
WIDTH = 1024  # pixels of a sheet's width where more images than the fewest fit
PIXELS = 640 * 1024  # in a sheet, so that the four of a report take 2 or 3 MB for photographs
CAPTION = 14  # pixels
CURVE = 32, 128  # height and most columns of a signal's picture
CAPTIONS = {  # at most 42 letters: sheets are 256 pixels wide at least
    "reconstruction": "real images left, reconstructions right",
    "lerp": "both ends are reconstructions, not real",
    "slerp": "both ends are reconstructions, not real",
    "prior": "decoded from random codes, none is real",
}


def to_uint8(images: np.ndarray) -> np.ndarray:
    """float [-1, 1] -> uint8, rounded."""
    return np.clip(np.round(127.5 + 127.5 * images), 0, 255).astype(np.uint8)


def curves(signals: np.ndarray) -> np.ndarray:
    """Signals [..., T, C], about [-1, 1], as images of their curves [..., 32, up to 128, 1].

    Each column covers the range of its samples and the step to the next one; channels overlap. The
    last column is blank.
    """
    length = signals.shape[-2]
    width, top = min(length, CURVE[1] - 1), CURVE[0] - 1
    y = (1 - np.clip(signals, -1, 1)) / 2 * (top - 1) + 0.5  # row 0 is the highest value
    starts = np.arange(width) * length // width
    ends = np.minimum((np.arange(width) + 1) * length // width, length - 1)
    low = np.minimum(np.minimum.reduceat(y, starts, axis=-2), y[..., ends, :])
    high = np.maximum(np.maximum.reduceat(y, starts, axis=-2), y[..., ends, :])
    row = np.arange(CURVE[0])[:, None, None]
    low, high = low[..., None, :, :] - 0.5, high[..., None, :, :] + 0.5
    cover = np.clip(np.minimum(row + 0.5, high) - np.maximum(row - 0.5, low), 0, 1)
    image = 1 - 2 * cover.max(-1, keepdims=True)
    return np.concatenate([image, np.ones_like(image[..., :1, :])], axis=-2)


def normalized(x: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Signals [..., T, C], each channel scaled so that the range of `real` [N, T, C] is [-1, 1];
    images as they are."""
    if real.ndim != 3:
        return x
    low, high = real.min((0, 1)), real.max((0, 1))
    return 2 * (x - low) / np.maximum(high - low, 1e-9) - 1


def grid(images: np.ndarray) -> np.ndarray:
    """[rows, columns, H, W, C] -> one image [rows * H, columns * W, C] uint8; signals [rows,
    columns, T, C] become pictures of their curves."""
    images = curves(images) if images.ndim == 4 else images
    rows, columns, height, width, colors = images.shape
    image = to_uint8(images).transpose(0, 2, 1, 3, 4)
    return image.reshape(rows * height, columns * width, colors)


def captioned(image: np.ndarray, text: str) -> np.ndarray:
    """An image [H, W, C] uint8 with a line of text below, [H + 14, W, C]."""
    line = Image.new("L", (image.shape[1], CAPTION), 255)
    ImageDraw.Draw(line).text((2, 1), text, fill=0)
    line = np.repeat(np.asarray(line)[..., None], image.shape[-1], axis=-1)
    return np.concatenate([image, line])


def layout(image_shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a sheet for images of a shape: from 16 x 16, as in the original, down to
    2 x 8. Columns are even: images are next to their reconstructions."""
    height, width = image_shape[:2] if len(image_shape) == 3 else CURVE
    columns = min(SIDE, max(FEWEST[1], WIDTH // width // 2 * 2))
    return min(SIDE, max(FEWEST[0], PIXELS // (columns * height * width))), columns


def sheets(model, images: np.ndarray) -> dict[str, np.ndarray]:
    """The four sheets of a report, with captions.

    Args:
        model: an `Autoencoder`.
        images: test images [N, H, W, C], or signals [N, T, C]; repeated if fewer than a sheet has.

    Returns:
        {"reconstruction": pairs of an image and its reconstruction,
         "lerp", "slerp": rows of interpolations between two test images,
         "prior": decoded codes from N(0, I)}, each [rows * H + 14, columns * W, C] uint8.
    """
    import keras  # takes seconds

    rows, columns = layout(images.shape[1:])
    pairs = rows * columns // 2
    if len(images) < pairs:
        images = np.resize(images, (pairs, *images.shape[1:]))
    real, prior = images[:pairs], (rows * columns, *model.latent_shape)
    call = model.compiled_method
    made = {"reconstruction": np.stack([to_float(real), call("reconstruct")(real)], 1)}
    for method in ("lerp", "slerp"):
        path = call("interpolate", steps=columns, method=method)
        path = path(images[:rows], images[rows : 2 * rows])
        made[method] = path.swapaxes(0, 1)  # a row for each pair
    made["prior"] = call("decode")(keras.random.normal(prior, seed=0))
    made = {name: normalized(x, real) for name, x in made.items()}
    shape = rows, columns, *images.shape[1:]
    return {name: captioned(grid(x.reshape(shape)), CAPTIONS[name]) for name, x in made.items()}
