"""acai_tf: Adversarially Constrained Autoencoder Interpolation in Keras 3, on TensorFlow or JAX.

Config(...): the settings of a run; what is not given is as published for the dataset.
train(config), train(dataset="mnist", ...): what train.py does; the model.
load(path): the model of a run folder, of an exported one, of the original program, or a pretrained
    one by its name: "acai/mnist-d32".
load_dataset(config), load_dataset(dataset="mnist", ...): its images.
load_original(path): the latter, compiled, with the optimizer's state.
evaluate(run_dir, ...): what evaluate.py does; the scores.
LatentTransformer(...): codes in scikit-learn's pipelines.
"""

import importlib
import sys

__version__ = "0.1.0"

_WHERE = {
    "Config": "acai_tf.config:Config",
    "LatentTransformer": "acai_tf.transformer:LatentTransformer",
    "evaluate": "acai_tf.evaluation.run:evaluate_run",
    "load": "acai_tf.loading:load",
    "load_dataset": "acai_tf.data:load_dataset",
    "load_original": "acai_tf.original.checkpoint:load",
    "train": "acai_tf.training:train",
}
__all__ = list(_WHERE)

# `python -m acai_tf.x` has argv[0] = "-m" until that module is found; its imports take a second.
if sys.argv[:1] == ["-m"] and f"{__name__}." in sys.orig_argv[-len(sys.argv)]:
    from acai_tf import signals

    signals.end_at_once()


def __getattr__(name: str):
    # Imported when asked for: Keras takes seconds to start, and --help does not need it.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name].split(":")
    return getattr(importlib.import_module(module), attribute)
