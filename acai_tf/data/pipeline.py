"""How training batches reach `fit`."""

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Iterable

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset

AHEAD = 16  # batches that wait for the device
AT_ONCE = 4  # batches drawn at a time: from a disk, their reads overlap

_exit = threading.Condition()
_exiting, _drawing = False, 0  # whether Python ends; draws that are under way


@contextlib.contextmanager
def _counted():
    """Around a draw: counted while it is under way, refused once Python ends."""
    global _drawing
    with _exit:
        if _exiting:
            raise InterruptedError
        _drawing += 1
    try:
        yield
    finally:
        with _exit:
            _drawing -= 1
            _exit.notify_all()


@atexit.register
def _let_go():
    """Python must not end while a thread of tf.data is in it: both would wait for ever.

    That happens where something still holds an iterator: the traceback of an interruption, say.
    """
    global _exiting
    with _exit:
        _exiting = True
        _exit.wait_for(lambda: not _drawing, timeout=30)
    if "tensorflow" in sys.modules:
        time.sleep(0.05)  # AHEAD draws may be queued; to refuse them takes a fraction of that


def pipeline(dataset: Dataset, config: Config, first_step: int) -> Iterable:
    """The training batches from `first_step` on, as the Keras backend takes them.

    Batches are {"image": [B, H, W, C], "label": [B]}. For TensorFlow a tf.data.Dataset draws them
    ahead in the background. For JAX a generator yields them in tuples of one, and TensorFlow is
    not imported; steps are dispatched ahead of the device there, so that the next batch is drawn
    while it works.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        batches = dataset.batches(config.batch, config.seed, first_step)
        return ((batch,) for batch in batches)  # Keras asks generators for tuples
    import tensorflow as tf

    first = dataset.batch_at(first_step, config.batch, config.seed)
    names = list(first)

    def draw(step):
        with _counted():
            batch = dataset.batch_at(int(step), config.batch, config.seed)
            return [batch[name] for name in names]

    def at(step):
        arrays = tf.numpy_function(draw, [step], [first[name].dtype for name in names])
        return {
            name: tf.ensure_shape(array, first[name].shape)
            for name, array in zip(names, arrays, strict=True)
        }

    steps = tf.data.Dataset.range(first_step, tf.int64.max)
    return steps.map(at, num_parallel_calls=AT_ONCE, deterministic=True).prefetch(AHEAD)
