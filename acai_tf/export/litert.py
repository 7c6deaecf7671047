"""LiteRT (TensorFlow Lite): one file, every verb a signature, converted by TensorFlow."""

import pathlib
import tempfile
from typing import TYPE_CHECKING

from acai_tf.export.saved_model import save, specification, tensorflow, verbs

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write model.tflite; inputs and outputs are named as in the SavedModel.

    Signatures take one image, and one point of a path, at a time: its converter wants sizes that
    are known.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    tf = tensorflow()
    signatures = {
        name: tf.function(function).get_concrete_function(**specification(inputs, batch=1))
        for name, (function, inputs) in verbs(model, critic).items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        save(signatures, scratch)
        content = tf.lite.TFLiteConverter.from_saved_model(scratch).convert()
    (folder / "model.tflite").write_bytes(content)
