"""Write a model in some formats, whole or not at all."""

import contextlib
import dataclasses
import fnmatch
import importlib
import json
import os
import pathlib
import shutil
from typing import TYPE_CHECKING

from acai_tf import pretrained
from acai_tf.data import load_dataset
from acai_tf.errors import UsageError
from acai_tf.export import ABOUT, FORMATS, SAMPLER, VERSION
from acai_tf.export.exported import read_about
from acai_tf.files import expanded, hold
from acai_tf.loading import is_export, is_original, load, load_run
from acai_tf.models import samplers
from acai_tf.training.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

# What --overwrite may replace: exports, and evaluate.py's results.
_REPLACEABLE = (
    *(ABOUT, SAMPLER, "evaluation", "model.keras", "weights.npz", "model.tflite", "*.onnx"),
    *("saved_model.pb", "fingerprint.pb", "variables", "assets"),
)


def export_run(
    run_dir: str,
    out: str,
    formats: tuple[str, ...] = ("saved_model",),
    overwrite: bool = False,
    critic: bool = False,
    sampler: bool = False,
    data_dir: str | None = None,
    cache_dir: str | None = None,
) -> pathlib.Path:
    """Export the newest checkpoint of a run, or the model of exported weights.

    Args:
        run_dir: a run folder, one of the original program, an export, or a pretrained model's name.
        out: the folder to make.
        formats, overwrite, critic: as in `export`.
        sampler: fit a sampler to the training images first, and include it.
        data_dir, cache_dir: of those images; None: as in training.

    Returns:
        The folder.

    Raises:
        UsageError: there is no such run or no checkpoint yet; missing data; and as `export`.
    """
    run_dir, folder = pretrained.resolve(run_dir), resolved(out)
    _check_free(folder, overwrite)  # before the model is loaded
    if is_export(run_dir):
        model, about = load(run_dir, weights=True), read_about(run_dir)
    elif is_original(run_dir):
        model = load(run_dir)
        about = {"step": int(model.optimizer.iterations)}
    else:
        run = RunFolder(run_dir)
        model, step = load_run(run)
        records = [record for record in run.records() if record["step"] == step]
        about = {**run.saved(), "step": step, "scores": records[-1] if records else {}}
        if model.config.ema_kimg:
            about["ema_kimg"] = model.config.ema_kimg  # averaged weights
    if sampler:
        changes = {"data_dir": data_dir, "cache_dir": cache_dir}
        changes = {name: value for name, value in changes.items() if value is not None}
        data = load_dataset(dataclasses.replace(model.config, **changes))
        model.fit_sampler(data.train_once(samplers.CODES)[0])
    return export(model, folder, formats, overwrite, critic, about)


def export(
    model: "Autoencoder",
    folder: pathlib.Path,
    formats: tuple[str, ...] = ("saved_model",),
    overwrite: bool = False,
    critic: bool = False,
    about: dict | None = None,
) -> pathlib.Path:
    """Write a model, whole or not at all; with the sampler that it has, if any.

    A kill loses nothing: an old export keeps its name, or gets it back at the next export.

    Args:
        model: what to export.
        folder: the folder to make.
        formats: names in FORMATS.
        overwrite: replace an existing export.
        critic: include ACAI's critic, as the inference method `estimate`.
        about: more for acai_tf.json.

    Returns:
        The folder.

    Raises:
        UsageError: the folder exists, or a format is unknown or cannot be written here.
    """
    from acai_tf.models.fused import unfused  # imports Keras

    check_formats(formats)
    if critic and model.critic is None:
        raise UsageError("the model has no critic to export")
    folder = resolved(folder)
    with _exporting(folder) as (partial, old):
        _check_free(folder, overwrite)
        partial.mkdir()
        # Converters know the layers that are not fused.
        with unfused(model):
            for name in formats:
                importlib.import_module(FORMATS[name]).write(model, partial, critic)
        if model.sampler:
            samplers.save(model.sampler, partial / SAMPLER)
        written = {
            "version": VERSION,
            "formats": list(formats),
            "config": model.config and model.config.to_dict(),
            "image_shape": model.image_shape,
            "latent_shape": model.latent_shape,
            "classes": model.classes,
            "critic": critic,
        }
        if model.vocabulary is not None:
            written["vocabulary"] = model.vocabulary.to_dict()
        (partial / ABOUT).write_text(json.dumps({**(about or {}), **written}, indent=2) + "\n")
        if folder.exists():
            if (folder / "evaluation").exists():  # results name the weights they are of
                shutil.copytree(folder / "evaluation", partial / "evaluation")
            os.replace(folder, old)
        os.replace(partial, folder)
    return folder


@contextlib.contextmanager
def _exporting(folder: pathlib.Path):
    """Lock a folder; yield where to write the new export and where to move the old one."""
    partial, old, lock = (
        folder.with_name(f".{folder.name}.{kind}") for kind in ("partial", "old", "lock")
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        held = hold(lock)
    except BlockingIOError as error:
        raise UsageError(f"another process is exporting to {folder}; wait for it") from error
    except OSError as error:
        raise UsageError(f"cannot write to {folder} ({error.strerror})") from error
    with held:
        _settle(folder, partial, old)
        try:
            yield partial, old
        finally:
            _settle(folder, partial, old)
            lock.unlink()


def _settle(folder: pathlib.Path, partial: pathlib.Path, old: pathlib.Path) -> None:
    """Restore an export whose replacement is not there, and remove the rest."""
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)


def resolved(path: str | pathlib.Path) -> pathlib.Path:
    """The absolute path, with ~ expanded and without links."""
    return pathlib.Path(os.path.realpath(expanded(path)))


def check_formats(formats: tuple[str, ...]) -> None:
    """Raises UsageError if one is not in FORMATS."""
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")


def _check_free(folder: pathlib.Path, overwrite: bool) -> None:
    """Raises UsageError if a folder exists that must not be replaced."""
    if not folder.exists():
        return
    if not overwrite:
        raise UsageError(f"{folder} exists; give another --out, or --overwrite to replace it")
    names = [path.name for path in folder.iterdir()]
    if ABOUT not in names:
        raise UsageError(f"{folder} is not an export; give another --out")
    others = [n for n in names if not any(fnmatch.fnmatch(n, p) for p in _REPLACEABLE)]
    if others:
        raise UsageError(f"{folder} has other files ({', '.join(others)}); move them first")
