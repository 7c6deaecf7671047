"""ONNX, converted by tf2onnx: one file per inference method."""

import pathlib

from acai_tf.errors import UsageError
from acai_tf.export.saved_model import inference_methods
from acai_tf.models.autoencoder import Autoencoder

OPSET = 18


def write(model: Autoencoder, folder: pathlib.Path, critic: bool) -> None:
    """Write encode.onnx and so on, with the inputs and outputs of the SavedModel's signatures.

    Raises:
        UsageError: tf2onnx is not installed, or Keras runs on another backend than TensorFlow.
    """
    try:
        import tf2onnx.convert  # the extra "onnx"
    except ImportError as error:
        raise UsageError("--formats=onnx needs tf2onnx: pip install tf2onnx") from error
    for name, (function, inputs) in inference_methods(model, critic).items():
        path = str(folder / f"{name}.onnx")
        tf2onnx.convert.from_function(
            function, list(inputs.values()), opset=OPSET, output_path=path
        )
