"""An exported model's verbs, against those of the model in memory."""

import functools
import pathlib
import tempfile

from benchmarks import timing
from benchmarks.timing import Rows
from benchmarks.train import CLASSES, SIZES, config_of


def export(arguments) -> Rows:
    """reconstruct, one image at a time and many: the SavedModel, and the verb in memory."""
    import numpy as np

    from acai_tf.export.write import export as write
    from acai_tf.models import build_model

    rows = []
    for size in ("mnist", "svhn") if arguments.size == "all" else (arguments.size,):
        shape = SIZES[size]
        config = config_of(arguments, "acai" if arguments.model == "all" else arguments.model, size)
        model = build_model(config, shape, CLASSES)
        with tempfile.TemporaryDirectory() as folder:
            out = write(model, pathlib.Path(folder) / "export")
            import tensorflow as tf

            served = tf.saved_model.load(str(out)).signatures["reconstruct"]
            verb = model.compiled_method("reconstruct")
            for count in (1, 64):
                images = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
                tensor, calls = tf.constant(images), max(1, 64 // count)
                rivals = {
                    "in memory": functools.partial(_call, verb, images, calls),
                    "SavedModel": functools.partial(_call, _of(served), tensor, calls),
                }
                seconds = timing.interleaved(rivals, arguments.rounds)
                for row in timing.rates(seconds, calls * count, "in memory"):
                    rows.append({"size": size, "images a call": count, **row})
    return rows


def _of(served):
    """A signature of a SavedModel as a function to arrays."""
    return lambda images: next(iter(served(images=images).values())).numpy()


def _call(function, images, times: int) -> None:
    for _ in range(times):
        function(images)
