"""ONNX: one model per verb, converted by tf2onnx."""

import pathlib
from typing import TYPE_CHECKING

from acai_tf.errors import UsageError
from acai_tf.export.saved_model import specification, tensorflow, verbs

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

OPSET = 18


def write(model: "Autoencoder", folder: pathlib.Path, critic: bool) -> None:
    """Write encode.onnx and the others; inputs and outputs are named as in the SavedModel.

    Raises:
        UsageError: tf2onnx is not installed, or Keras runs on another backend than TensorFlow.
    """
    tf = tensorflow()
    try:
        import tf2onnx.convert
    except ImportError as error:
        raise UsageError(
            '--formats=onnx needs tf2onnx: pip install -e ".[onnx]" in the clone'
        ) from error
    for name, (function, inputs) in verbs(model, critic).items():
        tf2onnx.convert.from_function(
            tf.function(function),
            list(specification(inputs).values()),
            opset=OPSET,
            output_path=str(folder / f"{name}.onnx"),
        )
