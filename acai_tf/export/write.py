"""Write a model in some formats, whole or not at all."""

import contextlib
import importlib
import json
import os
import pathlib
import re
import shutil
from typing import TYPE_CHECKING

from acai_tf.errors import UsageError
from acai_tf.export import ABOUT, FORMATS, VERSION
from acai_tf.files import expanded, hold
from acai_tf.training.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

OURS = {  # what an export may hold, evaluate.py's results among it
    *(ABOUT, "evaluation", "model.keras", "weights.npz", "model.tflite"),
    *("saved_model.pb", "fingerprint.pb", "variables", "assets"),
    *(f"{verb}.onnx" for verb in ("encode", "decode", "reconstruct", "classify", "estimate")),
    *("interpolate.onnx", "interpolate_slerp.onnx"),
}


def export_run(
    run_dir: str,
    out: str,
    formats: tuple[str, ...] = ("saved_model",),
    overwrite: bool = False,
    critic: bool = False,
) -> pathlib.Path:
    """Export the newest checkpoint of a run, the end of one of the original program, or the model
    of exported weights, a pretrained one among them.

    Args:
        run_dir: the folder, or a pretrained model's name.
        out: the folder to make.
        formats: names in FORMATS.
        overwrite: replace an export that is there.
        critic: with ACAI's critic, as the verb `estimate`.

    Returns:
        The folder.

    Raises:
        UsageError: no run folder, no checkpoint yet, `out` is there, an unknown format, or one that
            this machine cannot write.
    """
    from acai_tf import pretrained
    from acai_tf.export.exported import Exported, read_about
    from acai_tf.loading import is_export, is_original, load, load_run

    run_dir = pretrained.resolve(run_dir)
    folder = resolved(out)
    check_free(folder, overwrite)
    run = RunFolder(run_dir)
    if is_export(run_dir):
        model, about = load(run_dir), {**read_about(run_dir)}
        if isinstance(model, Exported):
            raise UsageError(f"{run_dir} is a SavedModel, exported already; give the run's folder")
    elif is_original(run_dir):
        model = load(run_dir)
        about = {"step": int(model.optimizer.iterations)}
    else:
        model, step = load_run(run)
        records = [record for record in run.records() if record["step"] == step]
        about = {**run.saved(), "step": step, "scores": records[-1] if records else {}}
    return export(model, folder, formats, overwrite, critic, about)


def export(
    model: "Autoencoder",
    folder: pathlib.Path,
    formats: tuple[str, ...] = ("saved_model",),
    overwrite: bool = False,
    critic: bool = False,
    about: dict | None = None,
) -> pathlib.Path:
    """Write a model, whole or not at all.

    A kill loses nothing: what was there keeps its name, or gets it back from the next export.

    Args:
        model: what to export.
        folder: the folder to make.
        formats: names in FORMATS.
        overwrite: replace an export that is there.
        critic: with ACAI's critic, as the verb `estimate`.
        about: more for acai_tf.json.

    Returns:
        The folder.

    Raises:
        UsageError: as `export_run`.
    """
    from acai_tf.models.fused import unfused

    check_formats(formats)
    if critic and model.critic is None:
        raise UsageError("the model has no critic to export")
    folder = resolved(folder)
    check_free(folder, overwrite)
    partial, old = (
        folder.with_name(f".{folder.name}.{os.getpid()}.{kind}") for kind in ("partial", "old")
    )
    with _alone(folder):
        check_free(folder, overwrite)  # an earlier one may have its name back
        partial.mkdir()
        # Other programs know these networks layer by layer, and have one image at a time.
        with unfused(model):
            for name in formats:
                importlib.import_module(FORMATS[name]).write(model, partial, critic)
        written = {
            "version": VERSION,
            "formats": list(formats),
            "config": model.config and model.config.to_dict(),
            "image_shape": model.image_shape,
            "latent_shape": model.latent_shape,
            "classes": model.classes,
            "critic": critic,
        }
        (partial / ABOUT).write_text(json.dumps({**(about or {}), **written}, indent=2) + "\n")
        check_free(folder, overwrite)
        if folder.exists():
            # evaluate.py's results know which weights they are of.
            if (folder / "evaluation").exists():
                shutil.copytree(folder / "evaluation", partial / "evaluation")
            os.replace(folder, old)
        os.replace(partial, folder)
    return folder


@contextlib.contextmanager
def _alone(folder: pathlib.Path):
    """While no other process exports to a folder; nothing half-made stays beside it.

    Raises:
        UsageError: another process exports to it, or nothing can be written there.
    """
    path = folder.with_name(f".{folder.name}.lock")
    try:
        lock = hold(path)
    except BlockingIOError as error:
        raise UsageError(f"another process is exporting to {folder}; wait for it") from error
    except OSError as error:
        raise UsageError(f"cannot write to {folder} ({error.strerror})") from error
    with lock:
        _settle(folder)
        try:
            yield
        finally:
            _settle(folder)
            with contextlib.suppress(OSError):  # Windows removes no open file
                path.unlink()


def _settle(folder: pathlib.Path) -> None:
    """Give an export whose replacement never came its name back, and remove other leftovers."""
    leftover = re.compile(rf"\.{re.escape(folder.name)}\.\d+\.(old|partial)")
    for path in folder.parent.iterdir():
        if found := leftover.fullmatch(path.name):
            if found[1] == "old" and not folder.exists():
                os.replace(path, folder)
            shutil.rmtree(path, ignore_errors=True)


def resolved(path: str | pathlib.Path) -> pathlib.Path:
    """A folder's own name from the root on, whatever links lead there."""
    return pathlib.Path(os.path.realpath(expanded(path)))


def check_formats(formats) -> None:
    """Raises UsageError where one is not in FORMATS."""
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")


def check_free(folder: pathlib.Path, overwrite: bool) -> None:
    """Raises UsageError where a folder is there that may not be replaced, or cannot be made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder} ({error.strerror})") from error
    if not folder.exists():
        return
    if not overwrite:
        raise UsageError(f"{folder} exists; give another --out, or --overwrite an old export")
    if not (folder / ABOUT).exists():
        raise UsageError(f"{folder} is no export; give another --out")
    if others := sorted({path.name for path in folder.iterdir()} - OURS):
        raise UsageError(
            f"{folder} holds what no export made ({', '.join(others)}); move that first"
        )
