"""Exported models: a folder with one model in one or more formats.

saved_model    saved_model.pb, variables/: TensorFlow's SavedModel; needs TensorFlow alone
keras          model.keras: Keras' own format
weights        weights.npz: every variable by its path
onnx           encode.onnx, decode.onnx, ...: one file per inference method, for onnxruntime
litert         model.tflite: all inference methods as signatures, for LiteRT (TensorFlow Lite)

acai_tf.json describes the model: settings, shapes, classes, step, scores, versions. sampler.npz, if
there is one, is what new images are drawn from.
"""

ABOUT = "acai_tf.json"
SAMPLER = "sampler.npz"
VERSION = 1  # of acai_tf.json and of the signatures' names, inputs and outputs
FLOAT = "_float"  # suffix of the signatures that take float32 images
FORMATS = {
    "saved_model": "acai_tf.export.saved_model",
    "keras": "acai_tf.export.keras_file",
    "weights": "acai_tf.export.weights",
    "onnx": "acai_tf.export.onnx",
    "litert": "acai_tf.export.litert",
}
