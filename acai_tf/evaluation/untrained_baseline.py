"""Untrained baseline: the same model before training, which shows what its architecture gives."""

import dataclasses
import hashlib

import numpy as np

from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import clustering, information, linear, neighbours
from acai_tf.evaluation.baselines import baseline, described
from acai_tf.evaluation.context import Context
from acai_tf.lazy import keras
from acai_tf.models import build_model

MEASURED = {
    linear: {"seeds": 1},
    neighbours: {},
    clustering: {"n_init": 50},
    information: {},
}
SCORES = described("untrained", "untrained encoder", MEASURED)


def evaluate(context: Context) -> dict[str, float]:
    """The protocols of `linear` (with one random draw, not three), `neighbours`, `clustering` (with
    50 restarts) and `information` on the codes of the same architecture with the initial weights of
    seed 0.

    They are the same for every model of an architecture on a dataset, so they are measured once and
    kept in the context's cache. What training gives is the difference from them.
    """
    from acai_tf.models.noise import seed_weights  # imports keras, which takes seconds

    config, data = getattr(context.model, "config", None), context.dataset
    if config is None:
        raise CannotEvaluate("there are no settings to build an untrained model from")

    seed_weights(0)
    changed = dataclasses.replace(config, seed=0, dtype_policy="float32")
    try:
        model = build_model(changed, data.image_shape, data.classes, data.vocabulary)
    except UsageError as error:  # a part that is not installed, of an export
        raise CannotEvaluate(str(error)) from error
    # What initial codes depend on, for networks of the user's own too.
    read = hashlib.sha256(keras.backend.backend().encode())
    for part in (model.encoder, model.bottleneck):
        layers = getattr(part, "layers", [part])
        read.update(repr([type(layer).__name__ for layer in layers]).encode())
        for weight in part.weights:
            read.update(np.ascontiguousarray(weight))
    key = f"-{read.hexdigest()[:16]}"
    return baseline(context, "untrained_baseline", "untrained", MEASURED, lambda: model, key)
