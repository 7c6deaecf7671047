"""LiteRT (TensorFlow Lite): one file, every inference method a signature."""

import pathlib
import tempfile

from acai_tf.export.saved_model import inference_methods, save, trace
from acai_tf.lazy import tf
from acai_tf.models.autoencoder import Autoencoder


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write model.tflite, with the inputs and outputs of the SavedModel's signatures.

    The converter needs fixed sizes: signatures take one image and one point of a path.

    Raises:
        UsageError: Keras runs on another backend than TensorFlow.
    """
    with tempfile.TemporaryDirectory() as scratch:
        save(trace(inference_methods(model, critic, batch=1)), scratch)
        content = tf.lite.TFLiteConverter.from_saved_model(scratch).convert()
    (folder / "model.tflite").write_bytes(content)
