"""How training batches reach `fit`."""

import atexit
import contextlib
import functools
import sys
import threading
import time
from collections.abc import Iterable

import numpy as np

from acai_tf.backend import rows
from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.lazy import tf

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


def pipeline(
    dataset: Dataset,
    config: Config,
    first_step: int,
    seed: int | None = None,
    failures: list[Exception] | None = None,
) -> Iterable:
    """The training batches from `first_step` on, as the Keras backend and its strategy take them.

    Args:
        dataset: where they come from.
        config: the run's settings.
        first_step: steps taken so far.
        seed: of the order; None: the run's.
        failures: what was raised by a draw is put here; TensorFlow makes another error of it.

    Batches are {"image": [B, H, W, C], "label": [B]}. For TensorFlow a tf.data.Dataset draws them
    ahead in the background. For JAX a generator yields them in tuples of one, and TensorFlow is
    not imported; steps are dispatched ahead of the device there, so that the next batch is drawn
    while it works. Of several replicas each gets its share of every batch.
    """
    import keras

    seed = config.seed if seed is None else seed
    if keras.backend.backend() != "tensorflow":
        batches = dataset.batches(config.batch, seed, first_step)
        return ((batch,) for batch in batches)  # Keras asks generators for tuples

    def shares(context=None):
        """One element a replica of this worker and step."""
        batch_at = functools.partial(dataset.batch_at, batch=config.batch, seed=seed)
        return _elements(batch_at, first_step, _own_rows(config.batch, context), failures)

    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return shares()
    return strategy.distribute_datasets_from_function(shares)


def _own_rows(batch: int, context) -> np.ndarray | None:
    """Which images of a batch this worker's replicas take [replicas, share]; None: all."""
    if context is None:
        return None
    count = context.num_replicas_in_sync
    local = count // context.num_input_pipelines
    first = context.input_pipeline_id * local
    return np.stack([rows(batch, count, first + own) for own in range(local)])


def _elements(batch_at, first_step: int, own: np.ndarray | None, failures: list | None):
    """A tf.data.Dataset of batches, or of shares of batches, one after the other."""
    first = batch_at(first_step)
    names = list(first)

    def drawn(step):
        with _counted():
            try:
                batch = batch_at(int(step))
            except Exception as error:
                if failures is not None:
                    failures.append(error)
                raise
            return [batch[name] if own is None else batch[name][own] for name in names]

    def at(step):
        arrays = tf.numpy_function(drawn, [step], [first[name].dtype for name in names])
        shape = first[names[0]].shape[:1] if own is None else own.shape
        return {
            name: tf.ensure_shape(array, (*shape, *first[name].shape[1:]))
            for name, array in zip(names, arrays, strict=True)
        }

    steps = tf.data.Dataset.range(first_step, tf.int64.max)
    batches = steps.map(at, num_parallel_calls=AT_ONCE, deterministic=True)
    if own is not None:
        batches = batches.unbatch()
    # Nothing here is left to tf.data to tune, and its tuner sleeps for longer and longer, a minute
    # in the end: `fit` would wait for it to wake before it returns.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(AHEAD if own is None else AHEAD * len(own)).with_options(options)
