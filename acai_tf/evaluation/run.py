"""Evaluates a run, an export or raw pixels, and writes the results."""

import time
import traceback

import numpy as np

from acai_tf.errors import AcaiError, CannotEvaluate, DataLost
from acai_tf.evaluation import (
    EVALUATORS,
    check_names,
    code_hash,
    figures,
    format_score,
    load_evaluator,
    report,
)
from acai_tf.evaluation.context import TRAIN_CODES, Context
from acai_tf.evaluation.results import Results, open_results, scores
from acai_tf.evaluation.target import open_target
from acai_tf.files import DISK_TROUBLE, expanded

SLOW = ("transitions", "pixel_baseline")  # left out by `quick`
N_INIT, QUICK_N_INIT = 1000, 50  # restarts of k-means


def evaluate_run(
    run_dir: str | None = None,
    evaluators: list[str] | None = None,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    dataset: str | None = None,
    n_init: int | None = None,
    seed: int = 0,
    raw_pixels: bool = False,
    out: str | None = None,
    again: bool = False,
    quick: bool = False,
) -> dict:
    """Evaluate a run's newest checkpoint, an exported model, or raw pixels.

    Prints a table and writes eval.json, figures/ and report.html. Results of the same weights,
    images, options and code are reused, so an interrupted evaluation resumes.

    Args:
        run_dir: the run folder, that of an export, or a pretrained model's name.
        evaluators: names in EVALUATORS, or your own modules; None: all in EVALUATORS.
        data_dir: where tfds keeps its data; None: as in training.
        cache_dir: where decoded images are kept; None: as in training.
        dataset: what to evaluate on; None: what it was trained on.
        n_init: restarts of k-means; None: 1000, or 50 with `quick`.
        seed: of k-means.
        raw_pixels: evaluate pixels in place of codes, on the dataset of the run, or `dataset`.
        out: the folder to write to; None: the run's own, evaluation/ in an export's, or
            runs/<dataset>/pixels.
        again: measure again even what could be reused.
        quick: no pixel baseline and no classifier (transitions) unless named in `evaluators`,
            principal components only in the map, and 50 restarts of k-means.

    Returns:
        {"step", score: value}, all that is now in eval.json.

    Raises:
        UsageError: no run folder, no checkpoint yet, an unknown evaluator, missing data.
        AcaiError: an evaluator failed; the others' results are written.
    """
    names = check_names(evaluators or [n for n in EVALUATORS if not (quick and n in SLOW)])
    changes = {"data_dir": data_dir, "cache_dir": cache_dir, "dataset": dataset}
    changes = {name: value for name, value in changes.items() if value is not None}
    context, about, own_folder = open_target(run_dir, changes, raw_pixels)
    n_init = n_init or (QUICK_N_INIT if quick else N_INIT)
    options = {"clustering": {"n_init": n_init, "seed": seed}}
    options |= {"map": {"tsne": False}} if quick else {}
    failed = []
    with open_results(expanded(out) if out else own_folder, about) as results:
        step = f" at step {about['step']:,}" if "step" in about else ""
        print(f"{about['model']} on {about['dataset']}{step}, to {results.folder}")

        def reusable(name):
            kept = getattr(load_evaluator(name), "KEPT", True)
            return kept and not again and results.kept(name, options.get(name, {}))

        todo = [name for name in names if not reusable(name)]
        hint = "" if quick or evaluators else "; less with --quick"
        print(f"this takes about {_minutes(todo, context, options)} min{hint}", flush=True)
        try:
            for name in names:
                if name in todo and not _measure(name, context, options.get(name, {}), results):
                    failed.append(name)
                _print(name, results)
        finally:  # also when interrupted
            page = report.write(results, context.dataset.class_names)
    print(f"report: {page}")
    if failed:
        raise AcaiError(f"{', '.join(failed)} failed, see above; the others' results are written")
    return {"step": about.get("step", 0), **results.scores()}


def _minutes(names: list[str], context: Context, options: dict) -> int:
    """A rough estimate of an evaluation's time."""
    data, code = context.dataset, int(np.prod(context.model.latent_shape))
    test, pixels = len(data.test_images), int(np.prod(data.image_shape))
    train = min(TRAIN_CODES, len(getattr(data, "train_images", range(TRAIN_CODES))))

    def linear(width):  # fits of one draw
        return 4e-7 * train * data.classes * (width + 60)

    def neighbours(width):
        return 1e-10 * train * test * (width + 100)

    n_init = options["clustering"]["n_init"]
    seconds = {  # on two cores on which the product of matrices below takes 5 ms
        "similarity": 1.5e-6 * test * pixels,
        "realism": 25,
        "transitions": 60,
        "robustness": 3e-5 * min(test, 2500) * pixels / 32,
        "map": 10 if "map" not in options else 1,
        "neighbours": neighbours(code),
        "linear": 3 * linear(code),
        "pixel_baseline": linear(pixels) + neighbours(pixels),
        "clustering": 7e-9 * n_init * train * code**1.56,
    }
    square = np.ones((512, 512), np.float32)
    square @ square
    began = time.perf_counter()
    square @ square
    speed = (time.perf_counter() - began) / 0.005
    return max(1, round(speed * sum(seconds.get(name, 2) for name in names) / 60))


def _measure(name: str, context: Context, options: dict, results: Results) -> bool:
    """Add an evaluator's scores and figures to the results; False if it failed.

    A failure keeps the others' results and its own earlier ones; that of a figure keeps the scores.
    """
    evaluator = load_evaluator(name)
    began = time.perf_counter()
    entry = {"scores": {}, "figures": [], "options": options, "code": code_hash(name)}
    try:
        if hasattr(evaluator, "evaluate"):
            entry["scores"] = evaluator.evaluate(context, **options)
            so_far = {**entry, "seconds": round(time.perf_counter() - began, 1)}
            results.add(name, {**so_far, "code": None})  # not complete yet: no figures
        if hasattr(evaluator, "draw"):
            for title, figure in evaluator.draw(context, **options).items():
                figures.save_png(figure, results.figure(title))
                entry["figures"].append(title)
    except CannotEvaluate as reason:
        results.add(name, {"left_out": str(reason)})
        return True
    except Exception as error:
        blocked = isinstance(error, OSError) and (error.filename or error.errno in DISK_TROUBLE)
        if blocked or isinstance(error, DataLost):
            raise  # the others would fail too
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
        print(f"{name:<44} left out: {entry['left_out']}", flush=True)
        return
    print(f"{name:<44} {entry['seconds']:>8.1f} s", flush=True)
    known = getattr(load_evaluator(name), "SCORES", {})
    for score, value in scores({name: entry}).items():
        shown, _ = known.get(score, (score, ""))
        print(f"  {shown:<42} {format_score(value, shown):>9}  {score}")
