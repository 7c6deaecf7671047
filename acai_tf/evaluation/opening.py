"""What can be evaluated: a run, an exported model, raw pixels."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from acai_tf import checkpoints
from acai_tf.config import Config
from acai_tf.data import canonical_name, load_dataset, short_name
from acai_tf.data.cache import cache_dir
from acai_tf.data.dataset import Dataset
from acai_tf.errors import UsageError
from acai_tf.evaluation.pixels import Pixels
from acai_tf.evaluation.subject import Subject
from acai_tf.models import build_model
from acai_tf.run_folder import RunFolder


def open_subject(
    run_dir: str | None, changes: dict, raw_pixels: bool
) -> tuple[Subject, dict, pathlib.Path]:
    """What is to be evaluated, what it is, and the folder that its results belong to.

    Args:
        run_dir: a run folder or that of an exported model; with `raw_pixels` it may be None.
        changes: settings that are not as in training: data_dir, cache_dir, dataset.
        raw_pixels: pixels in place of codes.

    Raises:
        UsageError: neither a run nor a dataset, no run folder, no checkpoint, missing data.
    """
    if raw_pixels:
        return _pixels(run_dir, changes)
    if not run_dir:
        raise UsageError("--run_dir is needed: the folder of a run that train.py made")
    return _run(RunFolder(run_dir), changes)


def _pixels(run_dir, changes):
    if not run_dir and "dataset" not in changes:
        raise UsageError("--raw_pixels needs --dataset, or the --run_dir of a run on it")
    config = RunFolder(run_dir).config() if run_dir else Config()
    config = _changed(config, changes)
    data = load_dataset(config)
    about = {"model": "raw pixels", "dataset": config.dataset, "images": _images(data)}
    folder = pathlib.Path("runs") / short_name(config.dataset) / "pixels"
    return Subject(Pixels(data.image_shape), data, cache=_cache(config, data)), about, folder


def _run(run: RunFolder, changes):
    trained = run.config()
    config = _changed(trained, changes)
    saved = checkpoints.checkpoints(run.checkpoints)
    if not saved:
        raise UsageError(
            f"{run.path} has no checkpoint yet; the first comes after {config.report_kimg} kimg"
        )
    data = load_dataset(config)
    if config.dataset == trained.dataset and run.images() not in (None, data.fingerprint()):
        print("the images are not those that this run began with")
    classes = data.classes
    if config.dataset != trained.dataset:  # the probe is that of the classes it has learnt
        classes = checkpoints.classes(saved[-1]) or classes
    try:
        model = build_model(config, data.image_shape, classes)
        step = checkpoints.restore_newest(run.checkpoints, model)
    except UsageError as error:
        if config.dataset == trained.dataset:
            raise
        height, width, colors = data.image_shape
        raise UsageError(
            f"images of {config.dataset} ({height}x{width}x{colors}) do not fit a model trained on"
            f" {trained.dataset}: {error}"
        ) from error
    about = {
        "model": config.model,
        "dataset": config.dataset,
        "images": _images(data),
        "step": step,
        "kimg": round(step * config.batch / 1024, 3),
        "seed": config.seed,
        "code_size": model.code_size,
    }
    return Subject(model, data, run.records(), _cache(config, data)), about, run.path


def _changed(config: Config, changes: dict) -> Config:
    config = dataclasses.replace(config, **changes)
    return dataclasses.replace(config, dataset=canonical_name(config.dataset))


def _images(data: Dataset) -> str:
    """What tells the images, those for testing included, from others."""
    seen = hashlib.sha256(data.fingerprint().encode())
    seen.update(np.ascontiguousarray(data.test_images[:: max(1, len(data.test_images) // 256)]))
    seen.update(np.ascontiguousarray(data.test_labels))
    return seen.hexdigest()[:16]


def _cache(config: Config, data: Dataset) -> pathlib.Path:
    name = f"{short_name(config.dataset)[:100]}-{_images(data)}"
    return cache_dir(config) / "evaluation" / name
