"""The devices that a run uses, and its threads."""

import contextlib
import functools
import os
from collections.abc import Iterator

import keras

from acai_tf.backend import accelerated
from acai_tf.config import Config
from acai_tf.errors import UsageError, WorkerLost
from acai_tf.lazy import jax, tf
from acai_tf.training import workers


def threads() -> int:
    """The number of threads that compute one operation on the CPU.

    Sums are split among them: results are the same bit for bit with the same number of threads.
    """
    count = 0
    if keras.backend.backend() == "tensorflow":
        count = tf.config.threading.get_intra_op_parallelism_threads()
        count = count or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0)
    if not count and hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    return count or os.cpu_count()


def prepare(config: Config) -> None:
    """Set up the devices, before the backend does so at its first tensor.

    Raises:
        UsageError: settings that contradict each other or do not fit this machine; or the backend
            has set up its devices already.
    """
    kind = _kind(config)
    if config.logical_devices:
        _split_cpu(config.logical_devices)
    if kind == "multiworker":
        everyone, this = workers.cluster()
        print(f"worker {everyone.index(this) + 1} of {len(everyone)}; waiting for all", flush=True)
        _strategy(kind, config.logical_devices)


@contextlib.contextmanager
def distribute(config: Config) -> Iterator[None]:
    """A context in which models are built, and trained, on all devices of --strategy.

    Each replica has all weights and takes its share of every batch. An update is that of the whole
    batch, up to rounding: random numbers are drawn for the whole batch, and mixing partners are on
    the same replica (`backend.rows`).

    Raises:
        UsageError: as `prepare`; or the devices cannot share a batch evenly.
        WorkerLost: within the context, another worker cannot be reached.
    """
    if keras.backend.backend() == "jax":
        with _jax_scope(config):
            yield
        return
    kind = _kind(config)
    if kind == "default":
        yield
        return
    strategy = _strategy(kind, config.logical_devices)
    count = strategy.num_replicas_in_sync
    if count > 1 and config.batch % (2 * count):
        raise UsageError(
            f"--batch={config.batch} cannot be shared by {count} replicas, each with an even number"
            f" of images; give --batch a multiple of {2 * count}, or use fewer devices"
            " (CUDA_VISIBLE_DEVICES, --logical_devices, --strategy=default for one)"
        )
    if is_chief(config):
        print(f"{kind}: {count} replicas, {config.batch // count} images of a batch each")
    errors = tf.errors
    ours = errors.InvalidArgumentError, errors.ResourceExhaustedError, errors.UnimplementedError
    with strategy.scope():
        try:
            yield
        except errors.OpError as error:
            if not workers.several_workers() or isinstance(error, ours):
                raise
            raise WorkerLost(
                "another worker cannot be reached; start all workers again, with the same commands,"
                f" and training resumes from the last checkpoint ({error.message})"
            ) from error


def _jax_scope(config: Config) -> contextlib.AbstractContextManager:
    devices = keras.distribution.list_devices()
    if _kind(config) == "default" or len(devices) == 1:
        return contextlib.nullcontext()
    if config.batch % len(devices):
        raise UsageError(
            f"--batch={config.batch} cannot be shared evenly by {len(devices)} devices; give a"
            " multiple of that, or let JAX see fewer of them (CUDA_VISIBLE_DEVICES)"
        )
    return keras.distribution.DataParallel(devices=devices).scope()


def xla(config: Config) -> bool:
    """Whether steps are compiled with XLA; raises UsageError where --xla cannot be satisfied."""
    if keras.backend.backend() == "jax":
        if config.xla == "false":
            raise UsageError("--xla=false needs TensorFlow: JAX always compiles with XLA")
        return True
    if config.xla == "auto":
        return accelerated() and _kind(config) == "default"
    return config.xla == "true"


def steps_per_execution(config: Config, steps: int) -> int:
    """How many steps to run per call from Python: a divisor of `steps`."""
    # On several devices, Keras on JAX calls each step from Python.
    single = keras.backend.backend() != "jax" or keras.distribution.distribution() is None
    wanted = config.steps_at_once(default=32 if single and accelerated() else 1)
    return max(n for n in range(1, min(wanted, steps) + 1) if steps % n == 0)


def is_chief(config: Config) -> bool:
    """Whether this process is the one of a run's workers that evaluates and writes."""
    if _kind(config) != "multiworker":
        return True
    everyone, this = workers.cluster()
    return this == everyone[0]


def _kind(config: Config) -> str:
    """--strategy with auto resolved for this machine: default, mirrored or multiworker."""
    kind = config.strategy
    if keras.backend.backend() == "jax":
        if kind == "multiworker":
            raise UsageError("--strategy=multiworker needs KERAS_BACKEND=tensorflow")
        return "mirrored" if kind == "auto" else kind
    everyone, _ = workers.cluster()
    if kind == "auto":
        several = config.logical_devices or len(tf.config.list_physical_devices("GPU")) > 1
        kind = "multiworker" if len(everyone) > 1 else "mirrored" if several else "default"
    if kind == "multiworker" and not everyone:
        raise UsageError(
            "--strategy=multiworker needs TF_CONFIG, the addresses of all workers (docs/devices.md)"
        )
    if config.logical_devices and kind != "mirrored":
        raise UsageError(f"--logical_devices is for --strategy=mirrored, not {kind}")
    if config.xla == "true" and kind != "default":
        raise UsageError(f"--xla=true does not work with --strategy={kind}; use --xla=false")
    return kind


@functools.cache
def _strategy(kind: str, logical_devices: int):
    if logical_devices:
        # By default a second strategy over CPUs would reuse the first's collective keys.
        cpus = [f"CPU:{index}" for index in range(logical_devices)]
        return tf.distribute.MirroredStrategy(cpus, tf.distribute.ReductionToOneDevice())
    if kind == "mirrored":
        return tf.distribute.MirroredStrategy()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise UsageError(
            f"this worker cannot start; is its address in TF_CONFIG free? ({error.message})"
        ) from error


def _split_cpu(count: int) -> None:
    """Make `count` devices of the CPU; raises UsageError if the backend has set up fewer."""
    with contextlib.suppress(RuntimeError):  # the devices are set up already
        if keras.backend.backend() == "jax":
            jax.config.update("jax_num_cpu_devices", count)
        else:
            device = tf.config.LogicalDeviceConfiguration()
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, [device] * count)
    if len(keras.distribution.list_devices("cpu")) < count:
        raise UsageError(
            f"--logical_devices={count} comes too late: the backend has set up its devices already"
        )
