"""Export a model as a TensorFlow SavedModel: python -m acai_tf.export --run_dir=R --out=DIR.

It loads with TensorFlow alone. Images go in as uint8, or (signatures ..._float) as float32 in
[-1, 1], any number of them; what comes out is float32, images in about [-1, 1].

    encode(images) -> latents            [B, H, W, C] -> [B, w, w, latent]
    decode(latents) -> images
    reconstruct(images) -> images
    interpolate(images_0, images_1, t) -> images    [K, B, H, W, C]: decoded at the points t [K],
                                         0..1, of the straight line between the images' codes
    interpolate_slerp(images_0, images_1, t)        the same on the great arc
    classify(images) -> logits, probabilities       [B, classes], where there are classes

Players that none of these needs (the critic) are left out. acai_tf.json beside saved_model.pb says
what was exported.
"""

import functools
import json
import os
import pathlib
import shutil
import sys
from typing import TYPE_CHECKING

from acai_tf import command
from acai_tf.errors import UsageError
from acai_tf.run_folder import RunFolder

if TYPE_CHECKING:
    from acai_tf.models.base import Autoencoder

ABOUT = "acai_tf.json"
FLOAT = "_float"  # ends the name of a signature that takes float32 images
FORMAT = 1  # of the signatures and of acai_tf.json


def export_run(run_dir: str, out: str, overwrite: bool = False) -> pathlib.Path:
    """Export the newest checkpoint of a run.

    Args:
        run_dir: the run folder.
        out: the folder to make.
        overwrite: replace an export that is there.

    Returns:
        The folder.

    Raises:
        UsageError: no run folder, no checkpoint yet, `out` is there, or Keras runs on another
            backend than TensorFlow.
    """
    from acai_tf.loading import load_run

    folder = pathlib.Path(out).expanduser()
    _check_free(folder, overwrite)
    run = RunFolder(run_dir)
    model, step = load_run(run)
    records = [record for record in run.records() if record["step"] == step]
    about = {"step": step, "scores": records[-1] if records else {}, **run.saved()}
    return export(model, folder, about, overwrite)


def export(
    model: "Autoencoder", folder: pathlib.Path, about: dict | None = None, overwrite: bool = False
) -> pathlib.Path:
    """Write a model as a SavedModel, whole or not at all.

    Args:
        model: what to export.
        folder: the folder to make.
        about: more for acai_tf.json.
        overwrite: replace an export that is there.

    Returns:
        The folder.

    Raises:
        UsageError: as `export_run`.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError("a SavedModel is TensorFlow's: set KERAS_BACKEND=tensorflow")
    import tensorflow as tf

    _check_free(folder, overwrite)
    module = tf.Module()
    signatures, variables = {}, {}
    for name, (function, inputs) in _verbs(model).items():
        for ending, dtype in (("", tf.uint8), (FLOAT, tf.float32)):
            shapes = {
                key: tf.TensorSpec(shape, dtype if key.startswith("images") else tf.float32, key)
                for key, shape in inputs.items()
            }
            if ending and not any(key.startswith("images") for key in inputs):
                continue
            traced = tf.function(function).get_concrete_function(**shapes)
            signatures[name + ending] = traced
            variables.update({id(variable): variable for variable in traced.variables})
    module.own_variables = list(variables.values())
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        tf.saved_model.save(module, str(partial), signatures)
        written = {
            "format": FORMAT,
            "config": model.config.to_dict(),
            "image_shape": model.image_shape,
            "latent_shape": model.latent_shape,
            "classes": model.classes,
            "signatures": sorted(signatures),
        }
        (partial / ABOUT).write_text(json.dumps({**(about or {}), **written}, indent=2) + "\n")
        _check_free(folder, overwrite)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _verbs(model: "Autoencoder") -> dict:
    """{signature: (function of named tensors to named tensors, {input: shape})}."""
    from keras import ops

    images, latents = (None, *model.image_shape), (None, *model.latent_shape)
    pair = {"images_0": images, "images_1": images, "t": (None,)}

    def encode(images):
        return {"latents": model.encode(images)}

    def decode(latents):
        return {"images": model.decode(latents)}

    def reconstruct(images):
        return {"images": model.reconstruct(images)}

    def interpolate(images_0, images_1, t, method="lerp"):
        return {"images": model.interpolate_at(images_0, images_1, t, method)}

    def classify(images):
        logits = model.classify(images)
        return {"logits": logits, "probabilities": ops.softmax(logits)}

    verbs = {
        "encode": (encode, {"images": images}),
        "decode": (decode, {"latents": latents}),
        "reconstruct": (reconstruct, {"images": images}),
        "interpolate": (interpolate, pair),
        "interpolate_slerp": (functools.partial(interpolate, method="slerp"), pair),
    }
    if model.classes > 1:
        verbs["classify"] = (classify, {"images": images})
    return verbs


def _check_free(folder: pathlib.Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not overwrite:
        raise UsageError(f"{folder} exists; give another --out, or --overwrite an old export")
    if not (folder / ABOUT).exists():
        raise UsageError(f"{folder} is no export; give another --out")


def main() -> None:
    """The command line."""
    parser = command.Parser("acai_tf.export", __doc__)
    parser.add_argument("--run_dir", required=True, help="the run's folder")
    parser.add_argument("--out", required=True, help="the folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace an export there")
    arguments = parser.parse_args()
    command.load_backend()
    folder = export_run(arguments.run_dir, arguments.out, arguments.overwrite)
    print(f"exported: {folder}")


if __name__ == "__main__":
    sys.exit(command.run(main))
