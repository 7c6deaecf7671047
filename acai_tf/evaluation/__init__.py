"""The registry of evaluators: what can be measured of a model's codes, and drawn.

An evaluator is a module with some of

    evaluate(context, **options) -> {name: value}    its docstring states the protocol
    SCORES = {name: (what it is, "higher" | "lower" | "")}    which way is better
    draw(context) -> {name: figure}    of matplotlib, or a picture [H, W, C] uint8
    KEPT = False    it depends on more than weights and images, and is made again each time

Where it does not apply it raises `CannotEvaluate`, and the others go on.
"""

import ast
import hashlib
import importlib
import pathlib
from types import ModuleType

import acai_tf
from acai_tf.errors import CannotEvaluate, UsageError

# In the order in which they run and are shown: the quick ones first.
EVALUATORS = {
    "sheets": "acai_tf.evaluation.sheets",
    "curves": "acai_tf.evaluation.curves",
    "reconstruction": "acai_tf.evaluation.reconstruction",
    "similarity": "acai_tf.evaluation.similarity",
    "probe": "acai_tf.evaluation.probe",
    "critic": "acai_tf.evaluation.critic",
    "lines": "acai_tf.evaluation.lines",
    "realism": "acai_tf.evaluation.realism",
    "transitions": "acai_tf.evaluation.transitions",
    "robustness": "acai_tf.evaluation.robustness",
    "map": "acai_tf.evaluation.map",
    "neighbours": "acai_tf.evaluation.neighbours",
    "linear": "acai_tf.evaluation.linear",
    "pixel_baseline": "acai_tf.evaluation.pixel_baseline",
    "clustering": "acai_tf.evaluation.clustering",
}
AT_REPORTS = ("reconstruction", "probe", "critic", "lines")  # quick enough to run during training


def load_evaluator(name: str) -> ModuleType:
    """The module of an evaluator: one in EVALUATORS, or any other that is one, "my_package.mine".

    Raises:
        UsageError: it cannot be imported, or has neither `evaluate` nor `draw`.
    """
    try:
        module = importlib.import_module(EVALUATORS.get(name, name))
        if not (hasattr(module, "evaluate") or hasattr(module, "draw")):
            raise ImportError("it has neither evaluate nor draw")
    except (ImportError, TypeError, ValueError) as error:
        raise UsageError(
            f"unknown evaluator {name!r} ({error}); known: {', '.join(EVALUATORS)}, or a module"
            " such as my_package.my_evaluator"
        ) from error
    return module


def code_hash(name: str) -> str:
    """A hash that changes with the code behind an evaluator's results, 16 hexadecimal digits.

    Of acai_tf's version, the module's source, and that of all modules of evaluation/ it imports.

    Args:
        name: of a module in evaluation/, "linear", or of an evaluator from elsewhere.
    """
    sources, waiting = {}, [name]
    while waiting:
        name = waiting.pop()
        path = pathlib.Path(__file__).with_name(f"{name}.py")
        if not path.exists() and not sources:
            path = pathlib.Path(load_evaluator(name).__file__)
        if name in sources or not path.exists():
            continue
        sources[name] = path.read_bytes()
        for node in ast.walk(ast.parse(sources[name])):
            if isinstance(node, ast.ImportFrom) and node.module == __name__:
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and f"{node.module}".startswith(f"{__name__}."):
                waiting.append(node.module.rpartition(".")[2])
    hashed = hashlib.sha256(acai_tf.__version__.encode())
    for name in sorted(sources):
        hashed.update(sources[name])
    return hashed.hexdigest()[:16]


def run_evaluators(model, dataset, names=AT_REPORTS, options: dict | None = None) -> dict:
    """The values of several evaluators in one dict; those that do not apply are left out.

    Args:
        model: an `Autoencoder`.
        dataset: an `acai_tf.data.dataset.Dataset`.
        names: which; see `load_evaluator`.
        options: evaluator's name -> its keyword arguments.

    Raises:
        UsageError: no such evaluator; lists the known ones.
    """
    from acai_tf.evaluation.context import Context

    context = Context(model, dataset)
    values = {}
    for name in check_names(names):
        evaluator = load_evaluator(name)
        if hasattr(evaluator, "evaluate"):
            try:
                values.update(evaluator.evaluate(context, **(options or {}).get(name, {})))
            except CannotEvaluate:
                continue
    return values


def check_names(names):
    """The names as they are; raises UsageError if one is no evaluator's."""
    for name in names:
        if name not in EVALUATORS:
            load_evaluator(name)
    return names
