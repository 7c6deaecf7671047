"""The processes of a run on several machines: which they are, and how they agree."""

import functools
import json
import os

import keras

from acai_tf.errors import UsageError
from acai_tf.lazy import tf


def cluster() -> tuple[list[tuple[str, int]], tuple[str, int] | None]:
    """The workers that TF_CONFIG names as (type, index), a chief first, and which of them this is.

    Returns:
        Those and that; nobody and None where there is no TF_CONFIG.

    Raises:
        UsageError: it cannot be understood.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return [], None
    try:
        said = json.loads(text)
        cluster, task = said["cluster"], said["task"]
        types = [type for type in ("chief", "worker") if type in cluster]
        for type in types:
            if not isinstance(cluster[type], list):
                raise TypeError(f"{type} is no list of addresses")
        workers = [(type, index) for type in types for index in range(len(cluster[type]))]
        mine = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"TF_CONFIG cannot be understood ({error!r}): {text}") from error
    if mine not in workers:
        raise UsageError(f"TF_CONFIG: its cluster has no task {mine[0]} {mine[1]}")
    return workers, mine


def several_workers() -> bool:
    """Whether the strategy of this context spans several processes."""
    if keras.backend.backend() != "tensorflow":
        return False
    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def of_all_workers(number: int) -> list[int]:
    """What each worker gives, which waits for all others to give theirs; alone: its own."""
    if not several_workers():
        return [number]
    gathered = _gather(tf.distribute.get_strategy())(tf.constant([number], tf.int64))
    return [int(one) for one in gathered]


@functools.cache
def _gather(strategy):
    # Compiled: done eagerly, each call costs a second.
    return tf.function(lambda own: strategy.gather(strategy.run(tf.identity, (own,)), axis=0))
