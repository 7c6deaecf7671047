"""acai_tf: Adversarially Constrained Autoencoder Interpolation in Keras 3, on TensorFlow or JAX.

load(path): the model of a run folder, or an exported one.
load_original(path): a run of the original TensorFlow 1 program as a model.
"""

__version__ = "0.1.0"
__all__ = ["load", "load_original"]


def __getattr__(name: str):
    # Imported when asked for: Keras takes seconds to start, and --help does not need it.
    if name == "load":
        from acai_tf.loading import load

        return load
    if name == "load_original":
        from acai_tf.original.checkpoint import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
