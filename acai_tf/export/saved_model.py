"""TensorFlow's SavedModel, and a model's inference methods as TensorFlow functions."""

import errno
import os
import pathlib

import keras

from acai_tf.errors import UsageError
from acai_tf.export import FLOAT
from acai_tf.lazy import tf
from acai_tf.models.autoencoder import Autoencoder


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write saved_model.pb and its variables; signatures take uint8 or (_float) float32 images.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
        OSError: the disk is full.
    """
    signatures = trace(inference_methods(model, critic))
    floats = inference_methods(model, critic, image_dtype="float32")
    del floats["decode"]  # takes no images
    save(signatures | {name + FLOAT: f for name, f in trace(floats).items()}, folder)


def inference_methods(
    model: Autoencoder, critic: bool, image_dtype: str = "uint8", batch: int | None = None
) -> dict[str, tuple]:
    """A model's inference methods as functions from named tensors to named tensors.

    Args:
        model: an `Autoencoder`.
        critic: include `estimate`.
        image_dtype: "uint8" or "float32".
        batch: the number of images, and of points of a path; None: any.

    Returns:
        {name: (tf.function, {input: TensorSpec})}.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UsageError("this format is made by TensorFlow: set KERAS_BACKEND=tensorflow")

    def image(name):
        return tf.TensorSpec((batch, *model.image_shape), image_dtype, name)

    images, pair = [image("images")], [image("images_0"), image("images_1")]
    pair.append(tf.TensorSpec((batch,), "float32", "t"))
    latents = [tf.TensorSpec((batch, *model.latent_shape), "float32", "latents")]

    # Outputs need other names than inputs: ONNX has one namespace.
    def encode(images):
        return {"latents": model.encode(images)}

    def decode(latents):
        return {"images": model.decode(latents)}

    def reconstruct(images):
        return {"reconstructions": model.reconstruct(images)}

    def interpolate(images_0, images_1, t):
        return {"images": model.interpolate_at(images_0, images_1, t)}

    def interpolate_slerp(images_0, images_1, t):
        return {"images": model.interpolate_at(images_0, images_1, t, "slerp")}

    def classify(images):
        logits = model.classify(images)
        return {"logits": logits, "probabilities": keras.ops.softmax(logits)}

    def estimate(images):
        return {"alpha": model.estimate(images)}

    methods = {encode: images, decode: latents, reconstruct: images}
    methods |= {interpolate: pair, interpolate_slerp: pair}
    if model.classes > 1:
        methods[classify] = images
    if critic:
        methods[estimate] = images
    return {
        method.__name__: (tf.function(method), {spec.name: spec for spec in inputs})
        for method, inputs in methods.items()
    }


def trace(methods: dict[str, tuple]) -> dict:
    """What `inference_methods` returns as concrete functions, {name: function}."""
    return {
        name: function.get_concrete_function(**inputs)
        for name, (function, inputs) in methods.items()
    }


def save(signatures: dict, folder: str | pathlib.Path) -> None:
    """Write concrete functions, {signature: function}, as a SavedModel.

    Not with keras.export.ExportArchive, which adds a signature (serving_default) and keeps the
    variables of all players.

    Raises:
        OSError: the disk is full.
    """
    module = tf.Module()
    variables = {id(v): v for function in signatures.values() for v in function.graph.variables}
    module.own_variables = list(variables.values())
    try:
        tf.saved_model.save(module, str(folder), signatures)
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
