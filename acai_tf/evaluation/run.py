"""Evaluate the newest checkpoint of a run folder."""

import dataclasses

from acai_tf import checkpoints
from acai_tf.data import load_dataset
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS, check_names, run_evaluators
from acai_tf.models import build_model
from acai_tf.run_folder import RunFolder


def evaluate_run(
    run_dir: str,
    evaluators: list[str] | None = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    dataset: str | None = None,
    n_init: int = 1000,
    seed: int = 0,
) -> dict:
    """Run evaluators on a run's newest checkpoint, print a table, write eval.json.

    Args:
        run_dir: the run folder.
        evaluators: names in EVALUATORS; None: all.
        data_dir: where tfds keeps its data; None: as in training.
        cache_dir: where decoded images are kept; None: as in training.
        dataset: what to evaluate on; None: what it was trained on.
        n_init: restarts of k-means.
        seed: of k-means.

    Returns:
        {"step", name: value}.

    Raises:
        UsageError: no run folder, no checkpoint yet, an unknown evaluator, missing data.
    """
    names = check_names(evaluators or list(EVALUATORS))
    run = RunFolder(run_dir)
    config = run.config()
    changes = {"data_dir": data_dir, "cache_dir": cache_dir, "dataset": dataset}
    changes = {name: value for name, value in changes.items() if value is not None}
    config = dataclasses.replace(config, **changes)
    if not checkpoints.checkpoints(run.checkpoints):
        raise UsageError(
            f"{run_dir} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    data = load_dataset(config)
    if run.images() not in (None, data.fingerprint()):
        print("the images are not those that this run began with")
    model = build_model(config, data.image_shape, data.classes)
    step = checkpoints.restore_newest(run.checkpoints, model)
    options = {"clustering": {"n_init": n_init, "seed": seed}}
    values = {"step": step, **run_evaluators(model, data, names, options)}
    run.write_evaluation(values)
    width = max(map(len, values))
    if data.classes < 2:
        print(f"{config.dataset} has no classes: what needs labels is left out")
    print(f"{run_dir} at step {step} ({config.model} on {config.dataset})")
    for name, value in values.items():
        print(f"  {name:<{width}}  {value:.6g}")
    return values
