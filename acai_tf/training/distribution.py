"""On which devices a run goes, and which of them takes which images."""

import contextlib
import functools
import os

import keras

from acai_tf.backend import accelerated
from acai_tf.config import Config
from acai_tf.errors import UsageError, WorkerLost
from acai_tf.lazy import jax, tf
from acai_tf.training import workers


def threads() -> int:
    """The threads that the backend computes one operation with on the CPU.

    Sums are split among them, so that results are the same bit for bit for one number of threads.
    """
    given = 0
    if keras.backend.backend() == "tensorflow":
        given = tf.config.threading.get_intra_op_parallelism_threads()
        with contextlib.suppress(ValueError):  # TensorFlow passes over what is no number, too
            given = given or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return given if given > 0 else cores


def prepare(config: Config) -> None:
    """What the backend must hear before it sets up its devices, which its first tensor does.

    Raises:
        UsageError: settings that do not go together or do not fit this machine, or come too late.
    """
    kind, count = _kind(config), config.logical_devices
    if count:
        _split_the_cpu(count)
    if kind == "multiworker":
        everyone, task = workers.cluster()
        print(f"worker {everyone.index(task) + 1} of {len(everyone)}; waiting for all", flush=True)
        _strategy(config)


@contextlib.contextmanager
def spread(config: Config):
    """A context in which models are made, and trained, on all devices of --strategy.

    Each replica takes its share of every batch; weights are on all of them. An update is that of
    the whole batch, whatever the number of replicas, but for rounding: draws are made for the
    whole batch, of which each takes its rows, and mixing partners share a replica (`rows`).

    Raises:
        UsageError: as `prepare`; or the devices cannot share a batch evenly.
        WorkerLost: within the context, another worker is gone.
    """
    if keras.backend.backend() == "jax":
        with _jax_scope(config):
            yield
        return
    if _kind(config) == "default":
        yield
        return
    strategy = _strategy(config)
    count = strategy.num_replicas_in_sync
    if count > 1 and config.batch % (2 * count):
        fitting = max(n for n in range(1, count) if n == 1 or config.batch % (2 * n) == 0)
        raise UsageError(
            f"--batch={config.batch} cannot be shared by {count} replicas, each with an even number"
            f" of images; give --batch a multiple of {2 * count}, or take {fitting} of the devices"
            " (CUDA_VISIBLE_DEVICES, --logical_devices, --strategy=default for one)"
        )
    if is_chief(config):
        print(f"{_kind(config)}: {count} replicas, {config.batch // count} images of a batch each")
    with strategy.scope():
        try:
            yield
        except tf.errors.OpError as error:
            if not workers.several_workers() or isinstance(error, _our_own_errors()):
                raise
            raise WorkerLost(
                "another worker cannot be reached any more; start all workers again, with the same"
                f" commands, and training goes on from the last checkpoint ({error.message})"
            ) from error


def _our_own_errors() -> tuple[type[Exception], ...]:
    """Those that are not of a connection, and would come again."""
    from tensorflow import errors

    return errors.InvalidArgumentError, errors.ResourceExhaustedError, errors.UnimplementedError


def xla(config: Config) -> bool:
    """Whether a step is compiled with XLA; raises UsageError where --xla asks what cannot be."""
    if keras.backend.backend() == "jax":
        if config.xla == "false":
            raise UsageError("--xla=false is for TensorFlow; JAX compiles with XLA or crawls")
        return True
    if config.xla == "auto":
        return accelerated() and _kind(config) == "default"
    return config.xla == "true"


def steps_at_once(config: Config, steps: int) -> int:
    """How many of `steps` the device takes without a word from Python: a divisor of them."""
    # Over several devices Keras on JAX asks Python for each.
    alone = keras.backend.backend() != "jax" or keras.distribution.distribution() is None
    wanted = config.steps_at_once(default=32 if alone and accelerated() else 1)
    return max(n for n in range(1, min(wanted, steps) + 1) if steps % n == 0)


def _jax_scope(config: Config) -> contextlib.AbstractContextManager:
    devices = keras.distribution.list_devices()
    if _kind(config) == "default" or len(devices) == 1:
        return contextlib.nullcontext()
    if config.batch % len(devices):
        fitting = max(n for n in range(1, len(devices)) if config.batch % n == 0)
        raise UsageError(
            f"--batch={config.batch} cannot be shared evenly by {len(devices)} devices; let JAX see"
            f" {fitting} of them (CUDA_VISIBLE_DEVICES) or give a --batch that can"
        )
    return keras.distribution.DataParallel(devices=devices).scope()


def is_chief(config: Config) -> bool:
    """Whether this process is the one, of a run's workers, that evaluates and writes."""
    if _kind(config) != "multiworker":
        return True
    everyone, task = workers.cluster()
    return task == everyone[0]


def _kind(config: Config) -> str:
    """What --strategy comes down to on this machine: default, mirrored or multiworker."""
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
            "--strategy=multiworker needs TF_CONFIG, which says where all workers are and which of"
            " them this is (docs/devices.md)"
        )
    if config.logical_devices and kind != "mirrored":
        raise UsageError(f"--logical_devices is for --strategy=mirrored, not {kind}")
    if config.xla == "true" and kind != "default":
        raise UsageError(f"--xla=true does not work with --strategy={kind}; use --xla=false")
    return kind


@functools.cache
def _made(kind: str, logical_devices: int):
    if logical_devices:
        # The default would give messages between CPUs numbers that are those of the process, and
        # a second strategy in it would begin with the first's.
        one_after_the_other = tf.distribute.ReductionToOneDevice()
        cpus = [f"CPU:{index}" for index in range(logical_devices)]
        return tf.distribute.MirroredStrategy(cpus, one_after_the_other)
    if kind == "mirrored":
        return tf.distribute.MirroredStrategy()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise UsageError(
            f"--strategy=multiworker must come before anything else that uses TensorFlow ({error})"
        ) from error
    except tf.errors.OpError as error:
        raise UsageError(
            f"this worker cannot start; is its address in TF_CONFIG free? ({error.message})"
        ) from error


def _strategy(config: Config):
    return _made(_kind(config), config.logical_devices)


def _split_the_cpu(count: int) -> None:
    late = f"--logical_devices={count} comes too late: the backend has set up its devices already"
    if keras.backend.backend() == "jax":
        try:
            jax.config.update("jax_num_cpu_devices", count)
        except RuntimeError as error:
            raise UsageError(late) from error
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise UsageError(late) from error
