"""TensorFlow's SavedModel."""

import errno
import functools
import os
import pathlib
from typing import TYPE_CHECKING

from acai_tf.errors import UsageError
from acai_tf.lazy import tf

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

FLOAT = "_float"  # ends the name of a signature that takes float32 images


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write saved_model.pb and what belongs to it.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    save(trace(model, critic), folder)


def save(signatures: dict, folder: str | pathlib.Path) -> None:
    """Write concrete functions, {signature: function}, as a SavedModel.

    Raises:
        OSError: the disk is full.
    """
    tf = tensorflow()
    module = tf.Module()
    # Variables of other players are in none of these functions, and so are left out.
    variables = {id(v): v for function in signatures.values() for v in function.graph.variables}
    module.own_variables = list(variables.values())
    try:
        tf.saved_model.save(module, str(folder), signatures)
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def tensorflow():
    """TensorFlow; raises UsageError where Keras runs on another backend."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError("this format is made by TensorFlow: set KERAS_BACKEND=tensorflow")
    return tf


def trace(model: "Autoencoder", critic: bool = False) -> dict:
    """Each verb as a concrete function of named tensors that returns named tensors.

    Returns:
        {signature: concrete function}.
    """
    tf = tensorflow()
    signatures = {}
    for name, (function, inputs) in verbs(model, critic).items():
        takes_images = any(key.startswith("images") for key in inputs)
        for ending in ("", FLOAT) if takes_images else ("",):
            specs = specification(inputs, floats=ending == FLOAT)
            signatures[name + ending] = tf.function(function).get_concrete_function(**specs)
    return signatures


def specification(inputs: dict, floats: bool = False, batch: int | None = None) -> dict:
    """The tensors that a verb takes: name -> TensorSpec.

    Args:
        inputs: name -> shape, as in `verbs`.
        floats: images are float32, not uint8.
        batch: how many images, and points of a path; None: any number.
    """
    tf = tensorflow()
    return {
        key: tf.TensorSpec(
            (batch, *shape),
            tf.uint8 if key.startswith("images") and not floats else tf.float32,
            key,
        )
        for key, shape in inputs.items()
    }


def verbs(model: "Autoencoder", critic: bool = False) -> dict:
    """{verb: (function of named tensors to named tensors, {input: shape of one})}."""
    from keras import ops

    images, latents = model.image_shape, model.latent_shape
    pair = {"images_0": images, "images_1": images, "t": ()}

    def encode(images):
        return {"latents": model.encode(images)}

    def decode(latents):
        return {"images": model.decode(latents)}

    def reconstruct(images):
        return {"reconstructions": model.reconstruct(images)}

    def interpolate(images_0, images_1, t, method="lerp"):
        return {"images": model.interpolate_at(images_0, images_1, t, method)}

    def classify(images):
        logits = model.classify(images)
        return {"logits": logits, "probabilities": ops.softmax(logits)}

    def estimate(images):
        return {"alpha": model.estimate(images)}

    found = {
        "encode": (encode, {"images": images}),
        "decode": (decode, {"latents": latents}),
        "reconstruct": (reconstruct, {"images": images}),
        "interpolate": (interpolate, pair),
        "interpolate_slerp": (functools.partial(interpolate, method="slerp"), pair),
    }
    if model.classes > 1:
        found["classify"] = (classify, {"images": images})
    if critic:
        found["estimate"] = (estimate, {"images": images})
    return found
