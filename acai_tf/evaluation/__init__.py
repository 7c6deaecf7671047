"""The registry of evaluators: what is measured of a model's codes and images, and drawn.

An evaluator is a module whose docstring begins "Title: what it is about.", with some of

    evaluate(context, **options) -> {score: value}    its docstring states the protocol
    draw(context, **options) -> {name: figure}    a matplotlib figure, or an image [H, W, C] uint8
    write(context, **options) -> {name: text}
    SCORES = {score: (name for people, "higher" | "lower" | "")}    which is better
    KEPT = False    it depends on more than weights and images, so it runs each time

Where it does not apply (no classes, say, or codes that are not finite) it raises `CannotEvaluate`,
which says why, and the others still run.
"""

import hashlib
import importlib
import inspect
import math
import pathlib
import sys
from types import ModuleType

import acai_tf
from acai_tf.errors import CannotEvaluate, UsageError

# In the order in which they run and are shown: the quick ones first.
EVALUATORS = {
    name: f"acai_tf.evaluation.{name}"
    for name in (
        *("sheets", "sentences", "curves", "reconstruction", "similarity", "probe", "critic"),
        *("lines", "language"),
        *("realism", "transitions", "generation", "robustness", "map", "information"),
        *("neighbours", "linear"),
        *("pixel_baseline", "untrained_baseline", "clustering"),
    )
}
AT_REPORTS = ("reconstruction", "probe", "critic", "lines")  # quick enough to run during training
UNITS = {"%": 100, "1e-3": 1000}  # that a name for people may end with: values are multiplied


def all_scores() -> dict[str, tuple[str, str]]:
    """The scores of all registered evaluators: {score: (name for people, direction)}."""
    scores = (getattr(load_evaluator(name), "SCORES", {}) for name in EVALUATORS)
    return {score: shown for module in scores for score, shown in module.items()}


def scale_of(name: str) -> int:
    """What values are multiplied by for the unit that a score's name for people ends with."""
    return UNITS.get(name.rpartition(" ")[2], 1)


def format_score(value: float, name: str = "") -> str:
    """A value as people read it, in the unit that the score's name for people ends with."""
    return f"{scale_of(name) * value:.4g}" if math.isfinite(value) else "undefined"


def load_evaluator(name: str) -> ModuleType:
    """The module of an evaluator: one in EVALUATORS, or your own by its path, "my_package.mine".

    Raises:
        UsageError: it cannot be imported, or has none of `evaluate`, `draw` and `write`.
    """
    try:
        module = importlib.import_module(EVALUATORS.get(name, name))
        if not any(hasattr(module, name) for name in ("evaluate", "draw", "write")):
            raise ImportError("it has none of evaluate, draw and write")
    except (ImportError, TypeError, ValueError) as error:
        raise UsageError(
            f"unknown evaluator {name!r} ({error}); known: {', '.join(EVALUATORS)}, or a module"
            " such as my_package.my_evaluator"
        ) from error
    return module


def title(evaluator: ModuleType) -> tuple[str, str]:
    """An evaluator's title and what it is about: "Title: what it is about."."""
    name, _, about = (inspect.getdoc(evaluator) or evaluator.__name__).partition(": ")
    return name, about[:1].upper() + about[1:]


def code_hash(name: str) -> str:
    """A hash of the code behind an evaluator's results: its module, this folder, the version."""
    hashed = hashlib.sha256(acai_tf.__version__.encode())
    own = pathlib.Path(load_evaluator(name).__file__)
    for path in sorted({own, *pathlib.Path(__file__).parent.glob("*.py")}):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def run_evaluators(model, dataset, names=AT_REPORTS, options: dict | None = None) -> dict:
    """The scores of several evaluators in one dict; those that do not apply are left out.

    Args:
        model: an `Autoencoder`.
        dataset: an `acai_tf.data.dataset.Dataset`.
        names: of evaluators; see `load_evaluator`.
        options: evaluator's name -> its keyword arguments.

    Raises:
        UsageError: unknown evaluator; lists the known ones.
    """
    from acai_tf.evaluation.context import Context  # imports this package

    context = Context(model, dataset)
    values = {}
    for name in check_names(names):
        try:
            if evaluate := getattr(load_evaluator(name), "evaluate", None):
                values.update(evaluate(context, **(options or {}).get(name, {})))
        except CannotEvaluate:
            continue
    return values


def check_names(names) -> list[str]:
    """The names of evaluators; raises UsageError if one is unknown."""
    if "floor" in names:
        print("deprecated: the evaluator floor is now called pixel_baseline", file=sys.stderr)
    names = ["pixel_baseline" if name == "floor" else name for name in names]
    for name in names:
        if name not in EVALUATORS:
            load_evaluator(name)
    return names
