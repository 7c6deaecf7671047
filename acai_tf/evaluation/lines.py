"""Line benchmark: are images on the way from one line to another lines (section 3.2)?"""

import functools

import numpy as np

from acai_tf.data.lines import SIZE, draw_lines
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared

SCORES = {
    "line_distance": ("line distance x 1e-3", "lower"),
    "line_smoothness": ("line smoothness, 0 even", "lower"),
    "line_smoothness_mean": ("line smoothness, mean where defined", "lower"),
}
TEMPLATES = 10_000
TIE = 1e-12
SHOWN = 24  # interpolations in the figure


@functools.cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Angles [10000] and their lines [10000, H*W], each scaled to unit length."""
    angles = np.linspace(0, 2 * np.pi - 2 * np.pi / TEMPLATES, TEMPLATES)
    # In float64: neighbouring lines differ by less than float32 resolves.
    lines = draw_lines(angles).reshape(TEMPLATES, -1)
    return angles, lines / np.linalg.norm(lines, axis=1, keepdims=True)


def closest_line(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distance of each image to the nearest of 10,000 true lines, and that line's angle.

    Images [..., 32, 32, 1] -> distances [...] in 0..2 (NaN if all pixels are 0), angles [...] in
    radians.
    """
    angles, lines = _templates()
    flat = images.reshape(-1, SIZE * SIZE)
    distances, nearest = [], []
    for part in np.array_split(flat, max(1, len(flat) // 512)):
        part = part.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        cosine = part @ lines.T
        # Mirror images tie up to rounding, so the smallest angle is taken.
        index = np.argmax(cosine >= cosine.max(axis=1, keepdims=True) - TIE, axis=1)
        distances.append(1 - cosine[np.arange(len(part)), index])
        nearest.append(angles[index])
    shape = images.shape[:-3]
    return np.concatenate(distances).reshape(shape), np.concatenate(nearest).reshape(shape)


def smoothness(angles: np.ndarray) -> np.ndarray:
    """How far the largest step of each interpolation is above an even one.

    max |step| / |last - first| - 1 / (n - 1), on unwrapped angles: 0 is perfectly even. Angles
    [interpolations, n] in radians -> [interpolations]; NaN where the ends are less than 1e-4 apart.
    """
    angles = np.unwrap(angles)
    steps = np.abs(np.diff(angles, axis=-1))
    total = np.abs(angles[:, -1] - angles[:, 0])
    defined = total >= 1e-4
    score = np.max(steps, axis=-1) / np.where(defined, total, 1) - 1 / (angles.shape[1] - 1)
    return np.where(defined, score, np.nan)


def line_scores(distance: np.ndarray, angle: np.ndarray) -> dict[str, float]:
    """The benchmark's scores of nearest lines along interpolations, [interpolations, n] each.

    Returns:
        {"line_distance": mean over all images,
         "line_smoothness": as published, the sum over defined scores divided by the number of
            ALL interpolations,
         "line_smoothness_mean": their proper mean}; NaN where none is defined.
    """
    scores = smoothness(angle)
    defined = scores[~np.isnan(scores)]
    return {
        "line_distance": float(np.mean(distance)),
        "line_smoothness": float(np.sum(defined) / len(angle)) if len(defined) else float("nan"),
        "line_smoothness_mean": float(np.mean(defined)) if len(defined) else float("nan"),
    }


@shared
def trajectories(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Distances and angles of the nearest lines along the interpolations, [256, 16] each."""
    if context.dataset.name != "lines":
        raise CannotEvaluate(f"{context.dataset.name} has no true interpolations to compare with")
    return closest_line(context.paths)


def evaluate(context: Context) -> dict[str, float]:
    """256 interpolations of 16 images between test lines.

    Distance: the cosine distance of a decoded image to the nearest of 10,000 true lines, 0..2.
    Smoothness: how far the largest turn between two images of an interpolation is above an even
    one, as published (the sum where it is defined divided by the number of all interpolations), and
    its mean where it is defined.
    """
    return line_scores(*trajectories(context))


def draw(context: Context) -> dict:
    """The angle of the nearest line along interpolations, and the distance to it."""
    distance, angle = trajectories(context)
    figure, (turn, far) = plots.panels("the nearest line's angle", "cosine distance to it")
    t = np.linspace(0, 1, angle.shape[1])
    for path in np.degrees(np.unwrap(angle[:SHOWN])):
        turn.plot(t, path - path[0], color=plots.MODEL, alpha=0.5, linewidth=1)
    turn.set(xlabel="along the interpolation", ylabel="turned by, degrees")
    turn.grid(True)
    plots.quartiles(far, t, distance, "median and quartiles")
    far.set(xlabel="along the interpolation", ylim=(0, None))
    far.legend()
    return {"trajectories": figure}
