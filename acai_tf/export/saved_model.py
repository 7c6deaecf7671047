"""TensorFlow's SavedModel, and a model's inference methods as TensorFlow functions."""

import errno
import functools
import os
import pathlib

import keras

from acai_tf.errors import UsageError
from acai_tf.export import FLOAT
from acai_tf.kinds import IMAGES, SIGNALS, TOKENS
from acai_tf.lazy import tf
from acai_tf.models.autoencoder import Autoencoder

DTYPES = {IMAGES: "uint8", SIGNALS: "float32", TOKENS: "int32"}  # of inputs


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write saved_model.pb and its variables; signatures take uint8 or (_float) float32 images,
    float32 signals, or int32 tokens.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
        OSError: the disk is full.
    """
    methods = inference_methods(model, critic)
    if model.sampler:
        methods["sample"] = _sample(model)
    signatures, floats = trace(methods), {}
    if model.kind == IMAGES:
        floats = inference_methods(model, critic, image_dtype="float32")
        floats = {name: floats[name] for name in floats if not name.startswith("decode")}
    save(signatures | {name + FLOAT: f for name, f in trace(floats).items()}, folder)


def inference_methods(
    model: Autoencoder, critic: bool, image_dtype: str | None = None, batch: int | None = None
) -> dict[str, tuple]:
    """A model's inference methods as functions from named tensors to named tensors.

    Args:
        model: an `Autoencoder`.
        critic: include `estimate`.
        image_dtype: "uint8" or "float32" for images; None: DTYPES.
        batch: the number of images, and of points of a path; None: any.

    Returns:
        {name: (tf.function, {input: TensorSpec})}.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UsageError("this format is made by TensorFlow: set KERAS_BACKEND=tensorflow")

    def spec(name, *shape, dtype="float32"):
        return tf.TensorSpec((batch, *shape), dtype, name)

    image_dtype = image_dtype or DTYPES[model.kind]

    def image(name):
        return spec(name, *model.image_shape, dtype=image_dtype)

    def classify(images):
        logits = model.classify(images)
        return {"logits": logits, "probabilities": keras.ops.softmax(logits)}

    def interpolate(images_0, images_1, t, method="lerp"):
        return {"images": model.interpolate_at(images_0, images_1, t, method)}

    # Outputs need other names than inputs: ONNX has one namespace.
    images, pair = [image("images")], [image("images_0"), image("images_1"), spec("t")]
    methods = {
        "encode": (lambda images: {"latents": model.encode(images)}, images),
        "decode": (
            lambda latents: {"images": model.decode(latents)},
            [spec("latents", *model.latent_shape)],
        ),
        "reconstruct": (lambda images: {"reconstructions": model.reconstruct(images)}, images),
        "interpolate": (interpolate, pair),
        "interpolate_slerp": (functools.partial(interpolate, method="slerp"), pair),
    }
    if model.discrete:
        index = tf.TensorSpec((batch, model.bottleneck.num_latents), "int32", "indices")
        methods["decode_indices"] = (
            lambda indices: {"images": model.decode_indices(indices)},
            [index],
        )
        methods["encode_indices"] = (
            lambda images: {"indices": model.encode_indices(images)},
            images,
        )
    if model.classes > 1:
        methods["classify"] = (classify, images)
    if critic:
        if model.kind == TOKENS:  # mixes are probabilities
            shape = model.reconstruction.output_shape(model.image_shape)
            images = [spec("images", *shape)]
        methods["estimate"] = (lambda images: {"alpha": model.estimate(images)}, images)
    return {
        name: (tf.function(function, autograph=False), {one.name: one for one in inputs})
        for name, (function, inputs) in methods.items()
    }


def _sample(model: Autoencoder) -> tuple:
    """`sample` with the fitted sampler, as one of `inference_methods`."""
    sampler = model.sampler

    @functools.partial(tf.function, autograph=False)
    def sample(n, seed):
        uniform = tf.random.stateless_uniform((n, sampler.uniforms), (seed, 0))
        normal = tf.random.stateless_normal((n, sampler.normals), (seed, 1))
        return {"images": getattr(model, sampler.decodes)(sampler.draw(uniform, normal))}

    return sample, {name: tf.TensorSpec((), "int32", name) for name in ("n", "seed")}


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
