"""The paper's synthetic lines: an endless supply of 32x32 images of a line from the centre."""

import numpy as np

from acai_tf.config import Config
from acai_tf.data.templates import Endless, Templates

SIZE = 32
LENGTH = SIZE / 2 - 1  # pixels
THICKNESS = 2
CLASSES = 10
TEMPLATES = 10_000


def draw_lines(angles: np.ndarray) -> np.ndarray:
    """Anti-aliased lines from the centre to one pixel inside the border.

    A line is drawn along the axis in which it is longer, row by row (or column by column): in each,
    a span two pixels wide is divided among the pixels it covers.

    Args:
        angles: [N], radians.

    Returns:
        [N, 32, 32, 1] float64; background -1, line 1.
    """
    angles = np.asarray(angles, np.float64)
    across = LENGTH * np.cos(-angles)  # extent in columns
    down = LENGTH * np.sin(-angles)  # extent in rows
    steep = np.abs(down) >= np.abs(across)
    run = np.where(steep, down, across)
    drift = np.where(steep, across, down)
    centre = SIZE / 2
    # In the direction of increasing pixels: from the far end where `run` is negative.
    backwards = run < 0
    start = centre + np.where(backwards, run, 0)
    end = centre + np.where(backwards, 0, run)
    first = centre + np.where(backwards, drift, 0) - THICKNESS / 2
    slope = np.divide(drift, run, out=np.zeros_like(run), where=run != 0)

    pixel = np.arange(SIZE)
    start, end, first, slope = (values[:, None] for values in (start, end, first, slope))
    # [N, 32]: the part of each row that the line covers; only the first may be partial.
    weight = np.where(pixel < start, np.ceil(start) - start, 1.0)
    weight *= (pixel >= np.floor(start)) & (pixel < np.ceil(end))
    left = first + (pixel - start - 0.5) * slope
    # [N, 32, 32]: the part of each pixel that the span [left, left + 2] covers.
    left = left[:, :, None]
    cover = np.minimum(pixel + 1, left + THICKNESS) - np.maximum(pixel, left)
    image = np.clip(2 * weight[:, :, None] * np.clip(cover, 0, 1) - 1, -1, 1)
    image = np.where(steep[:, None, None], image, image.transpose(0, 2, 1))
    return image[..., None]


def line_class(angles: np.ndarray) -> np.ndarray:
    """The tenth of the circle that an angle is in: [N] radians in [0, 2 pi] -> integers 0..9.

    The original's formula; it gives 10 for the last millionth of a radian, which is 9 here.
    """
    return np.minimum(CLASSES * angles / (2 * np.pi - 1e-6), CLASSES - 1).astype(np.int64)


ANGLES = np.linspace(0, 2 * np.pi - 2 * np.pi / TEMPLATES, TEMPLATES)
LINES = Templates("line", ANGLES, draw_lines, line_class)


def load(config: Config) -> Endless:
    """Lines at random angles for training; the same test lines in every run."""
    del config
    tenths = tuple(f"{36 * tenth} degrees on" for tenth in range(CLASSES))
    what = f"{SIZE}x{SIZE}x1 images"
    return Endless("lines", (SIZE, SIZE, 1), tenths, *LINES.test_set(), what, LINES)
