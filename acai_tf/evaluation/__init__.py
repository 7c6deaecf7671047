"""The registry of evaluators: name -> function (subject) -> {name: value}.

An evaluator that does not apply to a dataset (no classes, no lines) returns {}.
"""

import importlib

from acai_tf.errors import UsageError

EVALUATORS = {
    "reconstruction": "acai_tf.evaluation.reconstruction:evaluate",
    "probe": "acai_tf.evaluation.probe:evaluate",
    "lines": "acai_tf.evaluation.lines:evaluate",
    "neighbours": "acai_tf.evaluation.neighbours:evaluate",
    "linear": "acai_tf.evaluation.linear:evaluate",
    "clustering": "acai_tf.evaluation.clustering:evaluate",
}
AT_REPORTS = ("reconstruction", "probe", "lines")  # quick enough to run during training


def run_evaluators(model, dataset, names=AT_REPORTS, options: dict | None = None) -> dict:
    """The values of several evaluators in one dict.

    Args:
        model: an `Autoencoder`.
        dataset: an `acai_tf.data.dataset.Dataset`.
        names: which, of EVALUATORS.
        options: evaluator's name -> its keyword arguments.

    Raises:
        UsageError: no such evaluator; lists the known ones.
    """
    from acai_tf.evaluation.subject import Subject

    subject = Subject(model, dataset)
    values = {}
    for name in check_names(names):
        module, function = EVALUATORS[name].split(":")
        evaluate = getattr(importlib.import_module(module), function)
        values.update(evaluate(subject, **(options or {}).get(name, {})))
    return values


def check_names(names):
    """The names as they are; raises UsageError if one is not in EVALUATORS."""
    for name in names:
        if name not in EVALUATORS:
            raise UsageError(f"unknown evaluator {name!r}; known: {', '.join(EVALUATORS)}")
    return names
