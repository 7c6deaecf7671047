"""What can be evaluated: a run, a run of the original program, an exported model, raw pixels."""

import dataclasses
import hashlib
import math
import pathlib

import numpy as np

from acai_tf import pretrained
from acai_tf.config import KIMG, Config
from acai_tf.data import canonical_name, load_dataset, settings_unread, short_name
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
    """The context of an evaluation, a description of it, and the folder for its results.

    Args:
        run_dir: a run folder, that of an exported model, or a pretrained model's name; may be None
            with `raw_pixels`.
        changes: settings that differ from training: data_dir, cache_dir, dataset.
        raw_pixels: pixels in place of codes.

    Raises:
        UsageError: neither a run nor a dataset, no run folder, no checkpoint, missing data.
    """
    if raw_pixels:
        return _pixels(run_dir, changes)
    if not run_dir:
        raise UsageError("--run_dir is needed: a run folder, an export or a pretrained model")
    path, records, images, kind = pretrained.resolve(run_dir), [], None, {}
    if is_export(path):
        model, step = load(path), read_about(path)["step"]
        if model.config is None and "dataset" not in changes:
            raise UsageError(f"{path} does not say what it was trained on; give --dataset")
        trained = model.config or Config(model="autoencoder")
        folder, kind = results.of_export(path, trained.model), {"exported": True}
    elif is_original(path):
        if "dataset" not in changes and not dataset_of(path):
            raise UsageError(f"--dataset is needed: the folder of {path} names none")
        model = load(path)
        trained, step = model.config, int(model.optimizer.iterations)
        folder, kind = absolute(path) / "evaluation", {"original": True}
    else:
        run = RunFolder(path)
        trained, (model, step) = run.config(), load_run(run)
        folder, records, images = run.path, run.records(), run.images()
    config = _changed(trained, changes)
    data = load_dataset(config, vocabulary=model.vocabulary)
    if data.image_shape != model.image_shape:
        expected, given = ("x".join(map(str, x)) for x in (model.image_shape, data.image_shape))
        what = f"{model.kind} of {expected}"
        raise UsageError(f"the model takes {what}, {config.dataset} has {given}")
    if data.vocabulary != model.vocabulary:
        raise UsageError(f"{config.dataset} has another vocabulary than the model")
    if config.dataset == trained.dataset and images not in (None, data.fingerprint()):
        print("warning: the data differ from those that this run was trained on")
    kimg = step * config.batch / KIMG
    about = {
        **kind,
        "model": config.model,
        "dataset": config.dataset,
        "images": _images(data),
        "step": step,
        "kimg": int(kimg) if kimg == int(kimg) else kimg,
        **({} if "original" in kind else {"seed": config.seed}),  # which it does not record
        "code_size": math.prod(model.latent_shape),
        "weights": _weights(model),
        **({"ema_kimg": config.ema_kimg} if config.ema_kimg else {}),  # averaged weights
    }
    return Context(model, data, records, _cache(config, about)), about, folder


def _pixels(run_dir, changes):
    if not run_dir and "dataset" not in changes:
        raise UsageError("--raw_pixels needs --dataset, or the --run_dir of a run on it")
    config = _changed(RunFolder(run_dir).config() if run_dir else Config(), changes)
    data = load_dataset(config)
    about = {"model": "raw pixels", "dataset": config.dataset, "images": _images(data)}
    folder = pathlib.Path("runs", short_name(config.dataset), "pixels")
    model = Pixels(data.image_shape, data.vocabulary)
    return Context(model, data, cache=_cache(config, about)), about, folder


def _changed(config: Config, changes: dict) -> Config:
    """A run's settings with changes; what another dataset does not read returns to its default."""
    changes = {**changes, "dataset": canonical_name(changes.get("dataset", config.dataset))}
    if changes["dataset"] != config.dataset:
        unread = settings_unread(changes["dataset"])
        plain = {f.name: f.default for f in dataclasses.fields(config) if f.name in unread}
        changes = {**plain, **changes}
    return dataclasses.replace(config, **changes)


def _images(data: Dataset) -> str:
    """A hash of a dataset's images, including those for testing."""
    hashed = hashlib.sha256(data.fingerprint().encode())
    for start in range(0, len(data.test_images), 1000):  # they may be in a file
        hashed.update(np.ascontiguousarray(data.test_images[start : start + 1000]))
    hashed.update(np.ascontiguousarray(data.test_labels))
    return hashed.hexdigest()[:16]


def _weights(model) -> str:
    """A hash of a model's weights."""
    hashed = hashlib.sha256()
    if isinstance(model, Exported):
        for file in sorted((model.path / "variables").glob("variables.*")):
            hashed.update(file.read_bytes())
    else:
        for name, variable in checkpoints.weights(model).items():
            hashed.update(name.encode())
            hashed.update(np.ascontiguousarray(variable))
    return hashed.hexdigest()[:16]


def _cache(config: Config, about: dict) -> pathlib.Path:
    """The folder for results that are the same for all models on these images."""
    return cache_dir(config) / "evaluation" / f"{short_name(config.dataset)}-{about['images']}"
