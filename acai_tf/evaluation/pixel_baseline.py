"""Raw pixels in place of codes: what an autoencoder's codes have to beat."""

import contextlib
import json

from acai_tf.evaluation import code_hash, linear, neighbours
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels
from acai_tf.files import write_atomically

SCORES = {
    f"pixels_{name}": (f"raw pixels: {what}", "")
    for name, (what, _) in {**linear.SCORES, **neighbours.SCORES}.items()
}


def evaluate(context: Context) -> dict[str, float]:
    """The protocols of `linear` (one draw of images instead of three) and `neighbours` on pixels.

    It is the same for every model of a dataset, so it is measured once and kept in the context's
    cache.

    Returns:
        {"pixels_" + each name of those two}.

    Raises:
        CannotEvaluate: there are no classes.
    """
    context.check_classes()
    path = context.cache and context.cache / f"pixel_baseline-{code_hash('pixel_baseline')}.json"
    if path:
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads(path.read_text())
            if kept and set(kept) <= set(SCORES):
                return {name: float(value) for name, value in kept.items()}
    pixels = Context(Pixels(context.dataset.image_shape), context.dataset)
    scores = {**linear.evaluate(pixels, seeds=1), **neighbours.evaluate(pixels)}
    scores = {f"pixels_{name}": value for name, value in scores.items() if "_std" not in name}
    if path:
        with contextlib.suppress(OSError):  # a cache that cannot be written is none
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(scores) + "\n")
    return scores
