"""An exported model against the one in memory: `reconstruct`, one image at a time and 64."""

import functools
import pathlib
import sys
import tempfile

import numpy as np
import timing
import work

from acai_tf.export.write import export as write
from acai_tf.lazy import tf
from acai_tf.models import build_model


def export(arguments) -> timing.Rows:
    """One table row per size, number of images, and candidate."""
    rows = []
    for size in work.sizes(arguments, "mnist", "svhn"):
        shape = work.SIZES[size]
        model = build_model(work.config_of(arguments, size), shape, work.CLASSES)
        with tempfile.TemporaryDirectory() as folder:
            out = write(model, pathlib.Path(folder) / "export")
            served = tf.saved_model.load(str(out)).signatures["reconstruct"]
            reconstruct = model.compiled_method("reconstruct")
            for count in (1, 64):
                images = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
                tensor, calls = tf.constant(images), max(1, 64 // count)

                candidates = {
                    "in memory": functools.partial(_call, reconstruct, images, calls),
                    "SavedModel": functools.partial(_call, _arrays(served), tensor, calls),
                }
                seconds = timing.interleaved(candidates, arguments.rounds)
                for row in timing.rates(seconds, calls * count):
                    rows.append({"size": size, "images per call": count, **row})
    return rows


def _arrays(signature):
    """A SavedModel's signature as a function that returns an array."""
    return lambda images: next(iter(signature(images=images).values())).numpy()


def _call(function, images, times: int) -> None:
    for _ in range(times):
        function(images)


if __name__ == "__main__":
    sys.exit(timing.main(export))
