"""Critic: does ACAI's critic still tell interpolations from reconstructions?"""

import math

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import STEPS, Context, shared
from acai_tf.models.inference import FLOAT_LIMIT

SCORES = {
    "critic_spread": ("std of the critic's estimates of alpha", ""),
    "critic_correlation": ("correlation of those estimates with alpha", ""),
}
PAIRS = 32  # interpolations; a critic that has collapsed shows in one
CONSTANT = 1e-3  # the std of alpha itself is 0.15, that of a working critic about 0.05


@shared
def estimates(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """The mixing coefficients alpha along interpolations, [16], and the critic's estimates of
    them, [pairs, 16]."""
    if not getattr(context.model, "critic", None):
        raise CannotEvaluate(
            "the model has no critic (an export has one if it was made with --critic)"
        )
    pairs, images = min(PAIRS, context.pairs), context.dataset.test_images
    interpolate = context.model.compiled_method("interpolate", steps=STEPS)
    path = interpolate(images[:pairs], images[pairs : 2 * pairs])  # [16, pairs, ...]
    flat = path.reshape(-1, *path.shape[2:])
    if flat.ndim == 4:  # images
        flat = np.clip(flat, -FLOAT_LIMIT, FLOAT_LIMIT)
    estimate = context.model.compiled_method("estimate")(flat).reshape(STEPS, -1).T
    t = np.linspace(0, 1, STEPS)
    return np.minimum(t, 1 - t), estimate


def evaluate(context: Context) -> dict[str, float]:
    """The critic's estimates of alpha on 32 interpolations of 16 images between test images.

    The autoencoder is trained to fool the critic, so neither score has a better direction. A
    standard deviation of 0 (that of alpha is 0.15) means that the critic has collapsed: it teaches
    the autoencoder nothing. The correlation is undefined where the estimates are constant.
    """
    alpha, estimate = estimates(context)
    std, correlation = float(np.std(estimate)), math.nan
    if std > 0:
        alpha = np.broadcast_to(alpha, estimate.shape)
        correlation = float(np.corrcoef(estimate.ravel(), alpha.ravel())[0, 1])
    return {"critic_spread": std, "critic_correlation": correlation}


def collapsed(scores: dict[str, float]) -> str | None:
    """A warning if the critic has collapsed, else None.

    Args:
        scores: of a report: "critic_spread" and "loss_adversarial", if there is a critic.
    """
    std, adversarial = scores.get("critic_spread"), scores.get("loss_adversarial", math.inf)
    if std is None or (std > CONSTANT and adversarial > CONSTANT**2):
        return None
    return (
        f"the critic has collapsed: its estimates are nearly constant (spread {std:.1g},"
        f" loss_adversarial {adversarial:.1g}, while alpha is in 0..0.5), so the model trains"
        " without ACAI's term. Try a lower --lr, a smaller --advweight or a wider --advdepth"
    )


def draw(context: Context) -> dict:
    """The critic's estimates along interpolations, and the true coefficients."""
    alpha, estimate = estimates(context)
    t = np.linspace(0, 1, len(alpha))
    figure, (ax,) = plots.panels("the critic's estimate of alpha")
    plots.quartiles(ax, t, estimate, "estimate, median and quartiles")
    ax.plot(t, alpha, color=plots.REAL, linestyle="--", label="alpha")
    ax.set(xlabel="along the interpolation", ylabel="alpha", ylim=(-0.02, 0.68))
    ax.legend(fontsize="small")
    return {"critic": figure}
