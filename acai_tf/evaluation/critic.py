"""ACAI's critic: whether it still tells how far an interpolant is from real."""

import math

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import STEPS, Context, shared
from acai_tf.models.inference import FLOAT_LIMIT

SCORES = {
    "critic_spread": ("standard deviation of the critic's estimates along interpolations", ""),
    "critic_correlation": ("of those estimates and the mixing coefficients", ""),
}
PAIRS = 32  # interpolations; a critic that has collapsed shows in one
CONSTANT = 1e-3  # the spread of alpha itself is 0.15, that of a critic at work about 0.05


@shared
def estimates(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """The mixing coefficients alpha along interpolations, [16], and what the critic takes them
    for, [pairs, 16]."""
    if not getattr(context.model, "critic", None):
        raise CannotEvaluate(
            "the model has no critic (an export has one if it was made with --critic)"
        )
    pairs, images = min(PAIRS, context.pairs), context.dataset.test_images
    interpolate = context.model.compiled_method("interpolate", steps=STEPS)
    path = interpolate(images[:pairs], images[pairs : 2 * pairs])  # [16, pairs, ...]
    flat = np.clip(path.reshape(-1, *path.shape[2:]), -FLOAT_LIMIT, FLOAT_LIMIT)
    said = context.model.compiled_method("estimate")(flat).reshape(STEPS, -1).T
    t = np.linspace(0, 1, STEPS)
    return np.minimum(t, 1 - t), said


def evaluate(context: Context) -> dict[str, float]:
    """What the critic says of 32 interpolations of 16 images between test images.

    The autoencoder's aim is that it be fooled, so neither score has a better end. A spread of
    nothing means that it has collapsed: it says the same of all, and teaches the autoencoder
    nothing.

    Returns:
        {"critic_spread", in units of alpha, whose own spread is 0.15;
         "critic_correlation", NaN where the estimates are constant}.

    Raises:
        CannotEvaluate: the model has no critic.
    """
    alpha, said = estimates(context)
    spread = float(np.std(said))
    correlation = math.nan
    if spread > 0:
        correlation = float(
            np.corrcoef(said.ravel(), np.broadcast_to(alpha, said.shape).ravel())[0, 1]
        )
    return {"critic_spread": spread, "critic_correlation": correlation}


def collapsed(scores: dict[str, float]) -> str | None:
    """What to tell somebody whose critic has collapsed; None: it has not.

    Args:
        scores: of a report: "critic_spread" and "loss_adversarial", where there is a critic.
    """
    spread, adversarial = scores.get("critic_spread"), scores.get("loss_adversarial", math.inf)
    if spread is None or (spread > CONSTANT and adversarial > CONSTANT**2):
        return None
    return (
        f"the critic has collapsed: its estimates are all but constant (spread {spread:.1g},"
        f" loss_adversarial {adversarial:.1g}, while alpha is anywhere from 0 to 0.5), so that"
        " nothing is left of ACAI. Try a lower --lr, a smaller --advweight or a wider --advdepth"
    )


def draw(context: Context) -> dict:
    """The critic's estimates along interpolations beside the true coefficients."""
    from acai_tf.evaluation import plots

    alpha, said = estimates(context)
    along = np.linspace(0, 1, len(alpha))
    figure, (axes,) = plots.panels("what the critic takes interpolants for")
    plots.spread(axes, along, said, plots.MODEL, "its estimate, median and quartiles")
    axes.plot(along, alpha, color=plots.REAL, linestyle="--", label="alpha")
    axes.set(xlabel="along the way", ylabel="alpha", ylim=(-0.02, 0.68))
    axes.legend(fontsize="small")
    return {"critic": figure}
