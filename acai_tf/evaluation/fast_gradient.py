"""The fast gradient sign method (Goodfellow et al. 2015) on the jointly trained probe."""

import functools
from collections.abc import Callable

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shared
from acai_tf.lazy import keras


def direction(context: Context, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """sign(d cross-entropy(probe(x), label) / dx), in {-1, 0, 1}.

    Args:
        context: of the model.
        images: x [N, H, W, C], float32 in [-1, 1].
        labels: class indices [N].

    Raises:
        CannotEvaluate: there is no probe, or no gradient (of an export, say).
    """
    context.classify(images[:1])  # raises CannotEvaluate
    return np.sign(_gradient(context)(images, labels))


@shared
def _gradient(context: Context) -> Callable:
    from acai_tf import backend  # imports keras, which takes seconds
    from acai_tf.models import losses

    model = context.model
    if not isinstance(model, keras.Model) or keras.backend.backend() not in backend.BACKENDS:
        raise CannotEvaluate("the probe has no gradient")

    def loss(x, label):
        return losses.cross_entropy(logits=model.classify(x), label=label)

    return backend.compiled(model, functools.partial(backend.gradient, loss))
