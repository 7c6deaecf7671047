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
    n_init: int = 1000,
    seed: int = 0,
) -> dict:
    """Run evaluators on a run's newest checkpoint, print a table, write eval.json.

    Args:
        run_dir: the run folder.
        evaluators: names in EVALUATORS; None: all.
        data_dir: where tfds keeps its data; None: as in training.
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
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=data_dir)
    if not checkpoints.checkpoints(run.checkpoints):
        raise UsageError(
            f"{run_dir} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    dataset = load_dataset(config)
    model = build_model(config, dataset.image_shape, dataset.classes)
    step = checkpoints.restore_newest(run.checkpoints, model)
    options = {"clustering": {"n_init": n_init, "seed": seed}}
    values = {"step": step, **run_evaluators(model, dataset, names, options)}
    run.write_evaluation(values)
    width = max(map(len, values))
    print(f"{run_dir} at step {step} ({config.model} on {config.dataset})")
    for name, value in values.items():
        print(f"  {name:<{width}}  {value:.6g}")
    return values
