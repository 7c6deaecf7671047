"""Line benchmark: are images between two lines lines too (section 3.2)? Likewise for signals."""

import numpy as np

from acai_tf.data.lines import LINES
from acai_tf.data.templates import Templates
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared
from acai_tf.kinds import TOKENS

SCORES = {
    f"{name}_{score}": (f"{name} {shown}", better)
    for name in ("line", "pulse", "tone")
    for score, shown, better in (
        ("distance", "distance x 1e-3", "lower"),
        ("smoothness", "smoothness, 0 even", "lower"),
        ("smoothness_mean", "smoothness, mean where defined", "lower"),
    )
} | {
    "sentence_distance": ("sentence distance, share of words", "lower"),
    "sentence_valid": ("sentences that are valid, %", "higher"),
    "sentence_smoothness": ("sentence smoothness, 0 even", "lower"),
    "sentence_smoothness_mean": ("sentence smoothness, mean where defined", "lower"),
}
SHOWN = 24  # interpolations in the figure


def smoothness(factor: np.ndarray, templates: Templates = LINES) -> np.ndarray:
    """How far the largest step of each interpolation is above an even one.

    max |step| / |last - first| - 1 / (n - 1), on unwrapped factors: 0 is perfectly even. Factors
    [interpolations, n] -> [interpolations]; NaN where the ends are less than 1e-4 apart.
    """
    factor = templates.unwrapped(factor)
    steps = np.abs(np.diff(factor, axis=-1))
    total = np.abs(factor[:, -1] - factor[:, 0])
    defined = total >= 1e-4
    score = np.max(steps, axis=-1) / np.where(defined, total, 1) - 1 / (factor.shape[1] - 1)
    return np.where(defined, score, np.nan)


def scores(
    distance: np.ndarray, factor: np.ndarray, templates: Templates = LINES
) -> dict[str, float]:
    """The benchmark's scores of nearest templates along interpolations, [interpolations, n] each.

    Returns:
        {"line_distance": mean over all images,
         "line_smoothness": as published, the sum over defined scores divided by the number of
            ALL interpolations,
         "line_smoothness_mean": their proper mean}; NaN where none is defined.
    """
    each = smoothness(factor, templates)
    defined = each[~np.isnan(each)]
    published = mean = np.nan
    if len(defined):
        published, mean = np.sum(defined) / len(each), np.mean(defined)
    found = {"distance": np.mean(distance), "smoothness": published, "smoothness_mean": mean}
    return {f"{templates.name}_{score}": float(value) for score, value in found.items()}


@shared
def trajectories(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Distances and factors of the nearest templates along the interpolations, [256, 16] each."""
    if context.dataset.templates is None:
        raise CannotEvaluate(f"{context.dataset.name} has no true interpolations to compare with")
    return context.dataset.templates.nearest(context.paths)


def evaluate(context: Context) -> dict[str, float]:
    """256 interpolations of 16 images between test lines, or test signals.

    Distance: the cosine distance of a decoded image to the nearest of 10,000 true lines (4,096
    signals), 0..2. Smoothness: how far the largest turn between two images of an interpolation is
    above an even one, as published (the sum where it is defined divided by the number of all
    interpolations), and its mean where it is defined. A signal turns by its angle on the ring, or
    by octaves.

    For sentences of a carousel, the distance is the share of the 16 words in which a sentence
    differs from the nearest of 128 true ones; valid are those that equal one.
    """
    distance, factor = trajectories(context)
    found = scores(distance, factor, context.dataset.templates)
    if context.dataset.kind == TOKENS:
        found["sentence_valid"] = float(np.mean(distance == 0))
    return found


def draw(context: Context) -> dict:
    """The nearest template's factor along interpolations, and the distance to it."""
    distance, factor = trajectories(context)
    templates = context.dataset.templates
    figure, (turn, far) = plots.panels(f"the nearest {templates.name}", "distance to it")
    t = np.linspace(0, 1, factor.shape[1])
    paths = templates.unwrapped(factor[:SHOWN])
    for path in templates.scale * paths:
        turn.plot(t, path - path[0], color=plots.MODEL, alpha=0.5, linewidth=1)
    turn.set(xlabel="along the interpolation", ylabel=templates.axis)
    turn.grid(True)
    plots.quartiles(far, t, distance, "median and quartiles")
    far.set(xlabel="along the interpolation", ylim=(0, None))
    far.legend()
    return {"trajectories": figure}
