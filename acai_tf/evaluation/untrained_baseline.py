"""Untrained baseline: the same model before training, which shows what its architecture gives."""

import dataclasses
import hashlib

from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import clustering, information, linear, neighbours
from acai_tf.evaluation.baselines import baseline, described
from acai_tf.evaluation.context import Context

MEASURED = {
    linear: {"seeds": 1},
    neighbours: {},
    clustering: {"n_init": 50},
    information: {},
}
SCORES = described("untrained", "untrained encoder", MEASURED)
SHAPING = ("model", "networks", "depth", "latent", "latent_width")  # all that initial codes read


def evaluate(context: Context) -> dict[str, float]:
    """The protocols of `linear` (with one random draw, not three), `neighbours`, `clustering` (with
    50 restarts) and `information` on the codes of the same architecture with the initial weights of
    seed 0.

    They are the same for every model of an architecture on a dataset, so they are measured once and
    kept in the context's cache. What training gives is the difference from them.
    """
    import keras  # takes seconds to import

    from acai_tf.models import build_model
    from acai_tf.models.noise import seed_weights

    config, data = getattr(context.model, "config", None), context.dataset
    if config is None:
        raise CannotEvaluate("there are no settings to build an untrained model from")

    def untrained():
        seed_weights(0)
        changed = dataclasses.replace(config, seed=0, dtype_policy="float32")
        try:
            return build_model(changed, data.image_shape, data.classes)
        except UsageError as error:  # a part that is not installed, of an export
            raise CannotEvaluate(str(error)) from error

    read = [keras.backend.backend(), *(getattr(config, name) for name in SHAPING)]
    key = f"-{hashlib.sha256(repr(read).encode()).hexdigest()[:16]}"
    return baseline(context, "untrained_baseline", "untrained", MEASURED, untrained, key)
