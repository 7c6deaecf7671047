"""Training batches as `fit` takes them."""

import atexit
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable

import keras
import numpy as np

from acai_tf.backend import rows
from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.lazy import tf

AHEAD = 16  # batches that wait for the device
PARALLEL = 4  # batches drawn in parallel: their reads from a disk overlap

_exiting = False
_drawing: set[int] = set()  # threads that are drawing a batch


@atexit.register
def _wait_for_draws():
    """Wait for batches that are being drawn: Python deadlocks if it exits while tf.data calls it.

    An iterator can outlive `fit`, in the traceback of an interruption for example.
    """
    global _exiting
    _exiting = True
    deadline = time.monotonic() + 30
    while _drawing and time.monotonic() < deadline:
        time.sleep(0.01)
    if "tensorflow" in sys.modules:
        time.sleep(0.05)  # time to refuse the draws that are queued


def pipeline(
    dataset: Dataset,
    config: Config,
    first_step: int,
    seed: int | None = None,
    failures: list[Exception] | None = None,
) -> Iterable:
    """The training batches from `first_step` on, {"image": [B, H, W, C], "label": [B]}.

    With TensorFlow, a tf.data.Dataset that draws them ahead; each replica gets its share of every
    batch. With JAX, a generator of tuples of one batch, without TensorFlow: steps are dispatched
    asynchronously there, so that the next batch is drawn while the device works.

    Args:
        dataset: where batches come from.
        config: the run's settings.
        first_step: steps taken so far.
        seed: of the order; None: the run's.
        failures: exceptions raised by a draw are appended; TensorFlow replaces them by its own.
    """
    seed = config.seed if seed is None else seed
    if keras.backend.backend() != "tensorflow":
        batches = dataset.batches(config.batch, seed, first_step)
        return ((batch,) for batch in batches)  # Keras takes tuples from generators

    def shares(context=None):
        own = None  # indices of the images that this worker's replicas take [replicas, share]
        if context:
            count = context.num_replicas_in_sync
            local = count // context.num_input_pipelines
            first = context.input_pipeline_id * local
            own = np.stack([rows(config.batch, count, first + n) for n in range(local)])
        batch_at = functools.partial(dataset.batch_at, batch=config.batch, seed=seed)
        return _elements(batch_at, first_step, own, failures)

    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return shares()
    return strategy.distribute_datasets_from_function(shares)


def _elements(batch_at: Callable, first_step: int, own: np.ndarray | None, failures: list | None):
    """A tf.data.Dataset of batches, or of the shares of each batch that `own` lists."""
    first = batch_at(first_step)
    names = list(first)

    def draw(step):
        thread = threading.get_ident()
        _drawing.add(thread)
        try:
            if _exiting:
                raise InterruptedError
            batch = batch_at(int(step))
            return [batch[name] if own is None else batch[name][own] for name in names]
        except Exception as error:
            if failures is not None:
                failures.append(error)
            raise
        finally:
            _drawing.discard(thread)

    def at(step):
        arrays = tf.numpy_function(draw, [step], [first[name].dtype for name in names])
        shape = first[names[0]].shape[:1] if own is None else own.shape
        return {
            name: tf.ensure_shape(array, (*shape, *first[name].shape[1:]))
            for name, array in zip(names, arrays, strict=True)
        }

    steps = tf.data.Dataset.range(first_step, tf.int64.max)
    batches = steps.map(at, num_parallel_calls=PARALLEL, deterministic=True)
    if own is not None:
        batches = batches.unbatch()
    # Nothing is left to tf.data's autotuner, and `fit` would wait up to a minute for its thread.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(AHEAD if own is None else AHEAD * len(own)).with_options(options)
