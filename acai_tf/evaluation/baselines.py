"""What baselines share: evaluators' scores of codes without training, for comparison."""

import contextlib
from collections.abc import Callable, Mapping
from types import ModuleType

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context


def described(prefix: str, name: str, evaluators: Mapping[ModuleType, dict]) -> dict:
    """SCORES of a baseline: its evaluators' without spreads, as "prefix_score" and "name: ..."."""
    scores = {score: shown for module in evaluators for score, shown in module.SCORES.items()}
    return {
        f"{prefix}_{score}": (f"{name}: {shown}", "")
        for score, (shown, _) in scores.items()
        if _counts(score)
    }


def baseline(
    context: Context,
    name: str,
    prefix: str,
    evaluators: Mapping[ModuleType, dict],
    model: Callable,
    key: str = "",
) -> dict[str, float]:
    """The scores of a baseline on a context's dataset, from the context's cache if possible.

    Args:
        context: of the model that is compared with it.
        name: of the baseline, an evaluator itself.
        prefix: of its scores.
        evaluators: evaluator -> its options.
        model: makes the baseline's model.
        key: what the model depends on besides the dataset, as a part of the cache's file name.

    Evaluators that do not apply are left out, those of classes where there are none.
    """

    def measure():
        own, scores = Context(model(), context.dataset), {}
        for evaluator, options in evaluators.items():
            with contextlib.suppress(CannotEvaluate):
                scores |= evaluator.evaluate(own, **options)
        return {f"{prefix}_{k}": v for k, v in scores.items() if _counts(k)}

    found = context.cached(name, name + key, measure)
    return {name: float(value) for name, value in found.items()}


def _counts(score: str) -> bool:
    """Whether a baseline has this score of an evaluator: no spreads, no baselines of its own."""
    return not (score.endswith("_std") or score.startswith("pixels_"))
