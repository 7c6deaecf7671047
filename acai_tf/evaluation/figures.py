"""Picture sheets: 16 x 16 grids of images, as in the original; fewer of large ones."""

import pathlib

import keras
import numpy as np
from PIL import Image

from acai_tf.files import replacing
from acai_tf.models.reconstruction import to_unit

SIDE = 16  # images in a row, and rows; fewer where they are large
FEWEST = 2, 8  # rows and columns
WIDTH = 1024  # pixels that a sheet is wide where more images than the fewest fit
PIXELS = 640 * 1024  # in a sheet, so that the four of a report take 2 or 3 MB for photographs


def to_uint8(images: np.ndarray) -> np.ndarray:
    """float [-1, 1] -> uint8, rounded."""
    return np.clip(np.round(127.5 + 127.5 * images), 0, 255).astype(np.uint8)


def grid(images: np.ndarray) -> np.ndarray:
    """[rows, columns, H, W, C] -> one image [rows * H, columns * W, C] uint8."""
    rows, columns, height, width, colors = images.shape
    image = to_uint8(images).transpose(0, 2, 1, 3, 4)
    return image.reshape(rows * height, columns * width, colors)


def save_png(image: np.ndarray, path: pathlib.Path) -> None:
    """Write [H, W, 1 or 3] uint8 as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    with replacing(path) as partial:
        picture.save(partial, format="PNG")


def layout(height: int, width: int) -> tuple[int, int]:
    """How many rows and columns a sheet of images of a size has: 16 x 16, as in the original, to
    2 x 8.

    Columns are even: images are beside their reconstructions.
    """
    columns = min(SIDE, max(FEWEST[1], WIDTH // width // 2 * 2))
    return min(SIDE, max(FEWEST[0], PIXELS // (columns * height * width))), columns


def sheets(model, images: np.ndarray) -> dict[str, np.ndarray]:
    """The four sheets of a report.

    Args:
        model: an `Autoencoder`.
        images: test images [N, H, W, C]; fewer than a sheet has appear more than once.

    Returns:
        {"reconstruction": images and, right of each, its reconstruction,
         "lerp", "slerp": in each row the way from one test image's code to another's,
         "prior": decoded draws from N(0, I)}, each [rows * H, columns * W, C] uint8.
    """
    rows, columns = layout(*images.shape[1:3])
    pairs = rows * columns // 2
    if len(images) < pairs:
        images = np.resize(images, (pairs, *images.shape[1:]))  # over again from the first
    real = images[:pairs]
    reconstruction = model.compiled_method("reconstruct")(real)
    beside = np.stack([np.asarray(to_unit(real)), reconstruction], axis=1)
    beside = beside.reshape(rows, columns, *images.shape[1:])
    made = {"reconstruction": beside}
    starts, ends = images[:rows], images[rows : 2 * rows]
    for method in ("lerp", "slerp"):
        interpolate = model.compiled_method("interpolate", steps=columns, method=method)
        made[method] = interpolate(starts, ends).swapaxes(0, 1)  # a row for each pair
    prior = keras.random.normal((rows * columns, *model.latent_shape), seed=0)
    decoded = model.compiled_method("decode")(prior)
    made["prior"] = decoded.reshape(rows, columns, *images.shape[1:])
    return {name: grid(images) for name, images in made.items()}
