"""What can be evaluated: a run, here or of the original program, an exported model, raw pixels."""

import dataclasses
import hashlib
import math
import pathlib

import numpy as np

from acai_tf import pretrained
from acai_tf.config import KIMG, Config
from acai_tf.data import canonical_name, load_dataset, short_name
from acai_tf.data.cache import cache_dir
from acai_tf.data.dataset import Dataset
from acai_tf.errors import UsageError
from acai_tf.evaluation import results
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels
from acai_tf.export.exported import Exported, read_about
from acai_tf.loading import is_export, is_original, load, load_run
from acai_tf.original.folder import absolute, dataset_of
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder


def open_target(
    run_dir: str | None, changes: dict, raw_pixels: bool
) -> tuple[Context, dict, pathlib.Path]:
    """What is to be evaluated, what it is, and the folder that its results belong to.

    Args:
        run_dir: a run folder, that of an exported model, or a pretrained model's name; with
            `raw_pixels` it may be None.
        changes: settings that are not as in training: data_dir, cache_dir, dataset.
        raw_pixels: pixels in place of codes.

    Raises:
        UsageError: neither a run nor a dataset, no run folder, no checkpoint, missing data.
    """
    if raw_pixels:
        return _pixels(run_dir, changes)
    if not run_dir:
        raise UsageError("--run_dir is needed: the folder of a run that train.py made")
    run_dir = pretrained.resolve(run_dir)
    if is_export(run_dir):
        return _export(run_dir, changes)
    if is_original(run_dir):
        return _original(run_dir, changes)
    return _run(RunFolder(run_dir), changes)


def _pixels(run_dir, changes):
    if not run_dir and "dataset" not in changes:
        raise UsageError("--raw_pixels needs --dataset, or the --run_dir of a run on it")
    config = RunFolder(run_dir).config() if run_dir else Config()
    config = _changed(config, changes)
    data = load_dataset(config)
    about = {"model": "raw pixels", "dataset": config.dataset, "images": _images(data)}
    folder = pathlib.Path("runs") / short_name(config.dataset) / "pixels"
    return Context(Pixels(data.image_shape), data, cache=_cache(config, data)), about, folder


def _run(run: RunFolder, changes):
    trained = run.config()
    model, step = load_run(run)
    config = _changed(trained, changes)
    data = _data_for(model, config)
    if config.dataset == trained.dataset and run.images() not in (None, data.fingerprint()):
        print("the images are not those that this run began with")
    about = _about(model, config, data, step)
    return Context(model, data, run.records(), _cache(config, data)), about, run.path


def _export(path, changes):
    model = load(path)
    if model.config is None and "dataset" not in changes:
        raise UsageError(f"{path} does not say what it was trained on; give --dataset")
    config = _changed(model.config or Config(model="autoencoder"), changes)
    data = _data_for(model, config)
    about = {"exported": True, **_about(model, config, data, read_about(path)["step"])}
    context = Context(model, data, cache=_cache(config, data))
    return context, about, results.of_export(path, config.model)


def _original(path, changes):
    if "dataset" not in changes and not dataset_of(path):
        raise UsageError(f"--dataset is needed: the folder of {path} names none")
    model = load(path)
    config = _changed(model.config, changes)
    data = _data_for(model, config)
    about = {"original": True, **_about(model, config, data, int(model.optimizer.iterations))}
    del about["seed"]  # which it does not say
    return Context(model, data, cache=_cache(config, data)), about, absolute(path) / "evaluation"


def _data_for(model, config: Config) -> Dataset:
    """The dataset of `config`; raises UsageError where its images are not of the model's shape."""
    data = load_dataset(config)
    if data.image_shape != model.image_shape:
        ours, theirs = ("x".join(map(str, x)) for x in (model.image_shape, data.image_shape))
        raise UsageError(
            f"the model takes images of {ours}, those of {config.dataset} are {theirs}"
        )
    return data


def _about(model, config: Config, data: Dataset, step: int) -> dict:
    kimg = step * config.batch / KIMG
    return {
        "model": config.model,
        "dataset": config.dataset,
        "images": _images(data),
        "step": step,
        "kimg": int(kimg) if kimg == int(kimg) else kimg,
        "seed": config.seed,
        "code_size": math.prod(model.latent_shape),
        "weights": _weights(model),
    }


def _changed(config: Config, changes: dict) -> Config:
    config = dataclasses.replace(config, **changes)
    return dataclasses.replace(config, dataset=canonical_name(config.dataset))


def _images(data: Dataset) -> str:
    """What tells the images, those for testing included, from others."""
    seen = hashlib.sha256(data.fingerprint().encode())
    for start in range(0, len(data.test_images), 1000):  # they may be in a file
        seen.update(np.ascontiguousarray(data.test_images[start : start + 1000]))
    seen.update(np.ascontiguousarray(data.test_labels))
    return seen.hexdigest()[:16]


def _weights(model) -> str:
    """What tells a model's weights from others."""
    seen = hashlib.sha256()
    if isinstance(model, Exported):
        for file in sorted((model.path / "variables").glob("variables.*")):
            seen.update(file.read_bytes())
        return seen.hexdigest()[:16]
    for name, variable in checkpoints.weights(model).items():
        seen.update(name.encode())
        seen.update(np.ascontiguousarray(variable))
    return seen.hexdigest()[:16]


def _cache(config: Config, data: Dataset) -> pathlib.Path:
    """Where what is the same for all models on these images is kept."""
    name = f"{short_name(config.dataset)}-{_images(data)}"
    return cache_dir(config) / "evaluation" / name
