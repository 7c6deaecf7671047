"""Evaluates a run, an export or raw pixels, and writes the results."""

import contextlib
import hashlib
import importlib.util
import inspect
import math
import pathlib
import time
import timeit
import traceback

import numpy as np
import threadpoolctl

from acai_tf import registry
from acai_tf.errors import AcaiError, CannotEvaluate, UsageError
from acai_tf.evaluation import (
    EVALUATORS,
    check_names,
    code_hash,
    format_score,
    load_evaluator,
    plots,
    report,
)
from acai_tf.evaluation.context import TRAIN_CODES, Context
from acai_tf.evaluation.results import Results, open_results, scores
from acai_tf.evaluation.target import open_target
from acai_tf.files import DISK_TROUBLE, expanded

SLOW = ("transitions", "generation", "pixel_baseline", "untrained_baseline")  # left out by `quick`
LABELED = ("transitions", "neighbours", "linear", "clustering")  # left out without classes
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
    features: str | None = None,
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
        quick: no baselines, no `generation` and no `transitions`, which train a classifier, unless
            named in `evaluators`; principal components only in the map; 50 restarts of k-means.
        features: "module:function" from images [N, H, W, C] uint8 to features [N, f], for
            `generation`; None: its own.

    Returns:
        {"step", score: value}, all that is now in eval.json.

    Raises:
        UsageError: no run folder, no checkpoint yet, an unknown evaluator, missing data.
        AcaiError: an evaluator failed; the others' results are written.
    """
    left_out = {*SLOW} - ({"generation"} if features else set()) if quick else ()
    names = check_names(evaluators or [name for name in EVALUATORS if name not in left_out])
    changes = {"data_dir": data_dir, "cache_dir": cache_dir, "dataset": dataset}
    changes = {name: value for name, value in changes.items() if value is not None}
    umap = importlib.util.find_spec("umap") is not None
    full = {
        "clustering": {"n_init": n_init or N_INIT, "seed": seed},
        "map": {"tsne": True, "umap": umap},
    }
    if features:
        full["generation"] = {"features": features, **_checked_features(features, names)}
    context, about, own_folder = open_target(run_dir, changes, raw_pixels)
    options, n_init = full, n_init or (QUICK_N_INIT if quick else N_INIT)
    if quick:
        clustering = {"n_init": n_init, "seed": seed}
        options = {**full, "clustering": clustering, "map": {"tsne": False, "umap": False}}
    todo, failed = [], []
    with open_results(expanded(out) if out else own_folder, about) as results:
        step = f" at step {about['step']:,}" if "step" in about else ""
        print(f"{about['model']} on {about['dataset']}{step}, to {results.folder}")
        for name in names:
            reusable = not again and getattr(load_evaluator(name), "KEPT", True)
            enough = (results.kept(name, some.get(name, {})) for some in (options, full))
            if not (reusable and any(enough)):
                todo.append(name)
        if todo:
            slow = {*SLOW, "clustering", "map"} & {*todo} and not quick
            minutes = _minutes(todo, context, n_init, **options["map"])
            print(f"about {minutes} min{' (less with --quick)' if slow else ''}", flush=True)
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


def _checked_features(features: str, names: list[str]) -> dict[str, str]:
    """A hash of the module that `features` is in, as an option, so that a change is measured.

    Raises UsageError if it is not a function, or no evaluator in `names` reads it.
    """
    if "generation" not in names:
        raise UsageError("--features is read by generation, which is not among --evaluators")
    function = registry.find("features", features, {})
    if not callable(function):
        raise UsageError(f"--features={features} is not a function")
    with contextlib.suppress(TypeError, OSError):  # built in, or without a file
        code = pathlib.Path(inspect.getfile(function)).read_bytes()
        return {"version": hashlib.sha256(code).hexdigest()[:16]}
    return {}


def _minutes(names: list[str], context: Context, n_init: int, tsne: bool, umap: bool) -> int:
    """A rough estimate of the time that evaluators take."""
    data, code = context.dataset, math.prod(context.model.latent_shape)
    test, pixels = len(data.test_images), math.prod(data.image_shape)
    train = min(TRAIN_CODES, len(getattr(data, "train_images", range(TRAIN_CODES))))
    fit, search = 1e-7 * train * data.classes, 1e-10 * train * test  # of each number of a code
    restart = 0.03 + 7e-9 * train * code**1.56  # of k-means
    seconds = {  # on a machine where the product of matrices below takes a millisecond
        "similarity": 6e-7 * test * pixels,
        "realism": 8,
        "transitions": 50,
        "generation": 50 + 4e-9 * 8 * min(10_000, test) ** 2 + 8e-7 * test * pixels,
        "map": 1 + 9 * tsne + 30 * umap,
        "information": 1e-8 * min(10_000, test) ** 2 + 1e-9 * train * code,
        "neighbours": search * (code + 100),
        "linear": 6 + 3 * fit * (code + 100),
        "pixel_baseline": 2 + (fit + search) * (pixels + 100),
        "untrained_baseline": 5 + (fit + search) * (code + 100) + 50 * restart,
        "clustering": n_init * restart,
    }
    if data.classes < 2:
        names = [name for name in names if name not in LABELED]
    square = np.ones((256, 256), np.float32)
    with threadpoolctl.threadpool_limits(1):  # several threads wait for each other when it is busy
        speed = min(timeit.repeat(lambda: square @ square, repeat=50, number=1)) / 1e-3
    return max(1, round(speed * sum(2 + seconds.get(name, 0) for name in names) / 60))


def _measure(name: str, context: Context, options: dict, results: Results) -> bool:
    """Add an evaluator's scores and figures to the results; False if it failed.

    A failure keeps the others' results and its own earlier ones; that of a figure keeps the scores.
    """
    evaluator, began = load_evaluator(name), time.perf_counter()
    entry = {"scores": {}, "figures": [], "options": options, "code": None}
    try:
        if hasattr(evaluator, "evaluate"):
            entry["scores"] = evaluator.evaluate(context, **options)
            entry["seconds"] = round(time.perf_counter() - began, 1)
            results.add(name, entry)  # without a code it is not reused: figures are missing
        if hasattr(evaluator, "draw"):
            for title, figure in evaluator.draw(context, **options).items():
                plots.save(figure, results.figure(title))
                entry["figures"].append(title)
        if hasattr(evaluator, "write"):
            entry["texts"] = evaluator.write(context, **options)
    except CannotEvaluate as reason:
        entry = {"left_out": str(reason)}
    except Exception as error:
        blocked = isinstance(error, OSError) and (error.filename or error.errno in DISK_TROUBLE)
        if blocked:
            raise  # the others would fail too
        traceback.print_exc()
        if not results.evaluators.get(name, {}).get("scores"):
            results.add(name, {"left_out": f"it failed: {error}"})
        return False
    else:
        entry |= {"seconds": round(time.perf_counter() - began, 1), "code": code_hash(name)}
    results.add(name, entry)
    return True


def _print(name: str, results: Results) -> None:
    entry = results.evaluators[name]
    if "left_out" in entry:
        print(f"{name:<50} left out: {entry['left_out']}", flush=True)
        return
    print(f"{name:<50} {entry['seconds']:>8.1f} s", flush=True)
    known = getattr(load_evaluator(name), "SCORES", {})
    for score, value in scores({name: entry}).items():
        shown, _ = known.get(score, (score, ""))
        print(f"  {shown:<48} {format_score(value, shown):>9}  {score}")
    for title, text in entry.get("texts", {}).items():
        print(f"\n{title}:\n\n{text}\n")
