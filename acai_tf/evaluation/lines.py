"""The line benchmark (section 3.2): are the images on the way from one line to another lines?"""

import functools

import numpy as np

from acai_tf.data.lines import SIZE, draw_lines
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shared

SCORES = {
    "line_distance": ("cosine distance of interpolants to the nearest line, 0..2", "lower"),
    "line_smoothness": ("how uneven the line turns, as published; 0: evenly", "lower"),
    "line_smoothness_mean": ("the same, its proper mean", "lower"),
}
TEMPLATES = 10_000
TIE = 1e-12
SHOWN = 24  # interpolations in the figure


@functools.cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Angles [10000] and their lines [10000, H*W], each scaled to unit length."""
    angles = np.linspace(0, 2 * np.pi - 2 * np.pi / TEMPLATES, TEMPLATES)
    # In 64 bits throughout: neighbouring lines differ by less than 32 bits can tell.
    lines = draw_lines(angles).reshape(TEMPLATES, -1)
    return angles, lines / np.linalg.norm(lines, axis=1, keepdims=True)


def closest_line(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distance of each image to the nearest of 10,000 true lines, and that line's angle.

    Args:
        images: [N, 32, 32, 1].

    Returns:
        distances [N] in 0..2, angles [N] in radians. An image that is zero everywhere has no
        direction: its distance is NaN.
    """
    angles, lines = _templates()
    distances, nearest = [], []
    for part in np.array_split(images, max(1, len(images) // 512)):
        flat = part.reshape(len(part), SIZE * SIZE).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            flat /= np.linalg.norm(flat, axis=1, keepdims=True)
        cosine = flat @ lines.T
        # Mirror images tie to the last bit, and rounding would choose: the smallest angle wins.
        index = np.argmax(cosine >= cosine.max(axis=1, keepdims=True) - TIE, axis=1)
        distances.append(1 - cosine[np.arange(len(part)), index])
        nearest.append(angles[index])
    return np.concatenate(distances), np.concatenate(nearest)


def smoothness(angles: np.ndarray) -> np.ndarray:
    """How far the largest step of each interpolation is above an even one.

    max |step| / |last - first| - 1 / (n - 1), on unwrapped angles: 0 is perfectly even.

    Args:
        angles: [interpolations, n], radians.

    Returns:
        [interpolations]; NaN where last and first are less than 1e-4 apart.
    """
    angles = np.unwrap(angles)
    steps = np.abs(np.diff(angles, axis=-1))
    total = np.abs(angles[:, -1] - angles[:, 0])
    defined = total >= 1e-4
    score = np.max(steps, axis=-1) / np.where(defined, total, 1) - 1 / (angles.shape[1] - 1)
    return np.where(defined, score, np.nan)


def line_scores(interpolations: np.ndarray) -> dict[str, float]:
    """The benchmark's two numbers for decoded interpolations.

    Args:
        interpolations: [interpolations, n, 32, 32, 1].

    Returns:
        {"line_distance": mean over all images,
         "line_smoothness": as published, the sum over defined scores divided by the number of
            ALL interpolations,
         "line_smoothness_mean": their proper mean}; NaN where none is defined.
    """
    return _scores(*_closest_lines(interpolations))


def _closest_lines(interpolations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`closest_line` of [interpolations, n, 32, 32, 1]: two of [interpolations, n]."""
    shape = interpolations.shape[:2]
    distance, angle = closest_line(interpolations.reshape(-1, *interpolations.shape[2:]))
    return distance.reshape(shape), angle.reshape(shape)


def _scores(distance: np.ndarray, angle: np.ndarray) -> dict[str, float]:
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
    return _closest_lines(context.paths)


def evaluate(context: Context) -> dict[str, float]:
    """`line_scores` of 256 interpolations of 16 images between test lines.

    The cosine distance of each decoded image to the nearest of 10,000 true lines, and how far the
    largest turn between two images of an interpolation is above an even one.

    Raises:
        CannotEvaluate: the images are no lines.
    """
    return _scores(*trajectories(context))


def draw(context: Context) -> dict:
    """How the nearest line turns along interpolations, and how far it is."""
    from acai_tf.evaluation import plots

    distance, angle = trajectories(context)
    figure, (turn, far) = plots.panels("the nearest line's angle", "cosine distance to it")
    along = np.linspace(0, 1, angle.shape[1])
    for path in np.degrees(np.unwrap(angle[:SHOWN])):
        turn.plot(along, path - path[0], color=plots.MODEL, alpha=0.5, linewidth=1)
    turn.set(xlabel="along the interpolation", ylabel="turned by, degrees")
    turn.grid(True)
    plots.spread(far, along, distance, plots.MODEL, "median and quartiles")
    far.set(xlabel="along the interpolation", ylim=(0, None))
    far.legend()
    return {"trajectories": figure}
