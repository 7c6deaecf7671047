"""Pixel baseline: raw pixels in place of codes, which codes have to beat."""

from acai_tf.evaluation import linear, neighbours
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels

SCORES = {
    f"pixels_{score}": (f"raw pixels: {name}", "")
    for score, (name, _) in {**linear.SCORES, **neighbours.SCORES}.items()
    if not score.endswith("_std")
}


def evaluate(context: Context) -> dict[str, float]:
    """The protocols of `linear` (with one random draw, not three) and `neighbours` on raw pixels.

    They are the same for every model of a dataset, so they are measured once and kept in the
    context's cache.
    """
    context.check_classes()

    def measure():
        pixels = Context(Pixels(context.dataset.image_shape), context.dataset)
        scores = linear.evaluate(pixels, seeds=1) | neighbours.evaluate(pixels)
        scores = {f"pixels_{name}": value for name, value in scores.items()}
        return {name: value for name, value in scores.items() if name in SCORES}

    found = context.cached("pixel_baseline", "pixel_baseline", measure)
    return {name: float(value) for name, value in found.items()}
