"""Models that leave this program: a folder with the model in some formats, and what it is.

saved_model    saved_model.pb, variables/: TensorFlow's SavedModel, used with TensorFlow alone
keras          model.keras: Keras' own format, whole
weights        weights.npz: every variable by its path
onnx           encode.onnx, decode.onnx, ...: one model per verb, for onnxruntime
litert         model.tflite: all verbs as signatures, for LiteRT (TensorFlow Lite)

acai_tf.json beside them says what was exported: settings, shapes, classes, step, scores, versions.
"""

ABOUT = "acai_tf.json"
VERSION = 1  # of the inference methods' names, inputs and outputs, and of acai_tf.json
FORMATS = {
    "saved_model": "acai_tf.export.saved_model",
    "keras": "acai_tf.export.keras_file",
    "weights": "acai_tf.export.weights",
    "onnx": "acai_tf.export.onnx",
    "litert": "acai_tf.export.litert",
}
