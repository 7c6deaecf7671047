"""Pixel baseline: raw pixels in place of codes, which codes have to beat."""

from acai_tf.evaluation import linear, neighbours
from acai_tf.evaluation.baselines import baseline, described
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels

MEASURED = {linear: {"seeds": 1}, neighbours: {}}  # evaluators, and their options
SCORES = described("pixels", "raw pixels", MEASURED)


def evaluate(context: Context) -> dict[str, float]:
    """The protocols of `linear` (with one random draw, not three) and `neighbours` on raw pixels.

    They are the same for every model of a dataset, so they are measured once and kept in the
    context's cache.
    """
    context.check_classes()

    def pixels():
        return Pixels(context.dataset.image_shape, context.dataset.vocabulary)

    return baseline(context, "pixel_baseline", "pixels", MEASURED, pixels)
