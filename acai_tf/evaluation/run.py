"""The story of an evaluation: what is evaluated, by which evaluators, and what is written."""

import time
import traceback

from acai_tf.errors import AcaiError, CannotEvaluate
from acai_tf.evaluation import (
    EVALUATORS,
    check_names,
    code_hash,
    figures,
    load_evaluator,
    plots,
    report,
)
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.results import Results, open_results
from acai_tf.evaluation.target import open_target
from acai_tf.files import DISK_TROUBLE, expanded


def evaluate_run(
    run_dir: str | None = None,
    evaluators: list[str] | None = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    dataset: str | None = None,
    n_init: int = 1000,
    seed: int = 0,
    raw_pixels: bool = False,
    out: str | None = None,
    again: bool = False,
) -> dict:
    """Evaluate a run's newest checkpoint, an exported model, or raw pixels.

    Prints a table and writes eval.json, figures/ and report.html. What was measured before of the
    same weights and images with the same options is kept, so that an interrupted evaluation goes
    on, and one more evaluator costs its own time alone.

    Args:
        run_dir: the run folder, or that of an exported SavedModel.
        evaluators: names in EVALUATORS, or of modules of one's own; None: all in EVALUATORS.
        data_dir: where tfds keeps its data; None: as in training.
        cache_dir: where decoded images are kept; None: as in training.
        dataset: what to evaluate on; None: what it was trained on.
        n_init: restarts of k-means.
        seed: of k-means.
        raw_pixels: evaluate pixels in place of codes, on the dataset of the run, or `dataset`.
        out: the folder to write to; None: the run's own, evaluation/ beside an exported model, or
            runs/<dataset>/pixels.
        again: measure again what is there already.

    Returns:
        {"step", name: value}, of all that is now in eval.json.

    Raises:
        UsageError: no run folder, no checkpoint yet, an unknown evaluator, missing data.
        AcaiError: an evaluator failed; the others' results are written.
    """
    names = check_names(evaluators or list(EVALUATORS))
    changes = {"data_dir": data_dir, "cache_dir": cache_dir, "dataset": dataset}
    changes = {name: value for name, value in changes.items() if value is not None}
    context, about, own_folder = open_target(run_dir, changes, raw_pixels)
    options = {"clustering": {"n_init": n_init, "seed": seed}}
    failed = []
    with open_results(expanded(out) if out else own_folder, about) as results:
        step = f" at step {about['step']:,}" if "step" in about else ""
        print(f"{about['model']} on {about['dataset']}{step}, to {results.folder}")
        try:
            for name in names:
                own = options.get(name, {})
                kept = getattr(load_evaluator(name), "KEPT", True) and results.kept(name, own)
                if (again or not kept) and not _measure(name, context, own, results):
                    failed.append(name)
                _print(name, results)
        finally:  # of an interrupted evaluation too
            page = report.write(results, context.dataset.class_names)
    print(f"report: {page}")
    if failed:
        raise AcaiError(f"{', '.join(failed)} failed, see above; the others' results are written")
    return {"step": about.get("step", 0), **results.scores()}


def _measure(name: str, context: Context, options: dict, results: Results) -> bool:
    """Add an evaluator's scores and figures to the results; False where it failed.

    A defect of one evaluator costs neither the others' hours nor its own earlier results, one of
    a figure not the scores.
    """
    evaluator = load_evaluator(name)
    began = time.perf_counter()
    entry = {"scores": {}, "figures": [], "options": options, "code": code_hash(name)}
    try:
        if hasattr(evaluator, "evaluate"):
            entry["scores"] = evaluator.evaluate(context, **options)
            so_far = {**entry, "seconds": round(time.perf_counter() - began, 1)}
            results.add(name, {**so_far, "code": None})  # not whole yet: its figures are missing
        if hasattr(evaluator, "draw"):
            for title, figure in evaluator.draw(context).items():
                save = plots.save if hasattr(figure, "savefig") else figures.save_png
                save(figure, results.figure(title))
                entry["figures"].append(title)
    except CannotEvaluate as reason:
        results.add(name, {"left_out": str(reason)})
        return True
    except Exception as error:
        blocked = isinstance(error, OSError) and (error.filename or error.errno in DISK_TROUBLE)
        if blocked:
            raise  # the others would meet it too
        traceback.print_exc()
        if entry["scores"]:  # a figure failed
            results.add(name, so_far)
        elif not results.evaluators.get(name, {}).get("scores"):
            results.add(name, {"left_out": f"it failed: {error}"})
        return False
    results.add(name, {**entry, "seconds": round(time.perf_counter() - began, 1)})
    return True


def _print(name: str, results: Results) -> None:
    entry = results.evaluators[name]
    if "left_out" in entry:
        print(f"{name:<40} left out: {entry['left_out']}", flush=True)
        return
    print(f"{name:<40} {entry['seconds']:>8.1f} s", flush=True)
    for score in entry["scores"]:
        print(f"  {score:<38} {report.number(results.scores()[score]):>9}")
