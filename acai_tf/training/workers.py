"""The processes of a run on several machines: which they are, and how they agree."""

import functools
import json
import os

import keras

from acai_tf.errors import UsageError
from acai_tf.lazy import tf


def cluster() -> tuple[list[tuple[str, int]], tuple[str, int] | None]:
    """All workers in TF_CONFIG as (type, index), a chief first, and which of them this process is.

    Returns:
        ([], None) without TF_CONFIG.

    Raises:
        UsageError: TF_CONFIG is malformed.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return [], None
    try:
        parsed = json.loads(text)
        addresses, task = parsed["cluster"], parsed["task"]
        kinds = [kind for kind in ("chief", "worker") if kind in addresses]
        if not all(isinstance(addresses[kind], list) for kind in kinds):
            raise TypeError("a cluster is lists of addresses")
        workers = [(kind, index) for kind in kinds for index in range(len(addresses[kind]))]
        this = task["type"], int(task["index"])
        if this not in workers:
            raise ValueError(f"its cluster has no task {this[0]} {this[1]}")
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"TF_CONFIG cannot be used ({error!r}): {text}") from error
    return workers, this


def several_workers() -> bool:
    """Whether the current distribution strategy spans several processes."""
    if keras.backend.backend() != "tensorflow":
        return False
    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def of_all_workers(number: int) -> list[int]:
    """The numbers that all workers pass, after waiting for all of them; [number] for one."""
    if not several_workers():
        return [number]
    gathered = _gather(tf.distribute.get_strategy())(tf.constant([number], tf.int64))
    return [int(one) for one in gathered]


@functools.cache
def _gather(strategy):
    # Compiled: eagerly, each call costs a second.
    return tf.function(lambda own: strategy.gather(strategy.run(tf.identity, (own,)), axis=0))
