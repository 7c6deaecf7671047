"""Sentences: reconstructions, interpolations and samples as text."""

import numpy as np

from acai_tf.evaluation.context import Context
from acai_tf.kinds import TOKENS

SHOWN, STEPS = 10, 9  # sentences, or interpolations; and sentences of an interpolation


def write(context: Context) -> dict[str, str]:
    """Ten test sentences and their reconstructions; ten interpolations between test sentences,
    along a straight line of codes (lerp), whose ends are reconstructions; and decoded samples of
    N(0, I)."""
    context.check_kind(TOKENS)
    return sheets(context.model, context.dataset.test_images)


def sheets(model, tokens: np.ndarray) -> dict[str, str]:
    """The sentences of a report.

    Args:
        model: an `Autoencoder` of tokens.
        tokens: test sentences [N, T].

    Returns:
        {"reconstruction", "lerp", "prior": text}.
    """
    import keras  # takes seconds

    call, text = model.compiled_method, model.vocabulary.text
    count = len(tokens)  # sentences are repeated if there are fewer than twenty
    starts = np.arange(SHOWN)
    ends = starts + (SHOWN if count >= 2 * SHOWN else max(1, count // 2))
    first, last = tokens[starts % count], tokens[ends % count]
    pairs = zip(text(first), text(call("reconstruct")(first)), strict=True)
    paths = call("interpolate", steps=STEPS)(first, last).swapaxes(0, 1)
    prior = keras.random.normal((SHOWN, *model.latent_shape), seed=0)
    return {
        "reconstruction": "\n\n".join("\n".join(pair) for pair in pairs),
        "lerp": "\n\n".join("\n".join(path) for path in text(paths)),
        "prior": "\n".join(text(call("decode")(prior))),
    }
