"""On which devices a run goes."""

import contextlib

import keras

from acai_tf.errors import UsageError


def spread(batch: int) -> contextlib.AbstractContextManager:
    """A context in which models are made, and trained, on all devices that JAX sees.

    Each device takes its share of every batch; weights are on all of them. The losses are those
    of the whole batch (its reversal included), so a run does not depend on the number of devices
    but for rounding. On TensorFlow a run uses one device yet.

    Args:
        batch: images per step, over all devices.

    Raises:
        UsageError: the devices cannot share a batch evenly.
    """
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    devices = keras.distribution.list_devices()
    if len(devices) == 1:
        return contextlib.nullcontext()
    if batch % len(devices):
        fitting = max(n for n in range(1, len(devices)) if batch % n == 0)
        raise UsageError(
            f"--batch={batch} cannot be shared evenly by {len(devices)} devices; let JAX see"
            f" {fitting} of them (CUDA_VISIBLE_DEVICES) or give a --batch that can"
        )
    return keras.distribution.DataParallel(devices=devices).scope()
