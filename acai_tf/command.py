"""What the commands share: errors as one line, exit statuses, a backend that starts quietly."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable

import absl.logging

from acai_tf import signals
from acai_tf.config import Config
from acai_tf.errors import AcaiError, Stopped, UsageError
from acai_tf.files import unwritable

# Of processes, or rivals, that share a GPU: none takes all of its memory when it starts.
SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def run(main: Callable[[], None]) -> int:
    """Run `main`; an AcaiError, or an OSError about a file, becomes one line on stderr.

    SIGINT and SIGTERM end the process.

    Returns:
        The exit status: 0, or that of the error.
    """
    before = signals.end_at_once()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream of the caller's own
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        main()
    except Stopped as stop:
        print(stop, file=sys.stderr)
        signals.leave(stop.exit_status)
    except AcaiError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # nobody reads what we say: `| head` has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as of a process that SIGPIPE ended
    except OSError as error:
        kind = unwritable(error)
        if error.filename is None and kind is UsageError:  # not about a file: a defect of ours
            raise
        # A path that the user gave: a name too long, a folder that may not be read.
        where = "" if error.filename is None else f": {error.filename!r}"
        print(f"error: {error.strerror}{where}", file=sys.stderr)
        return kind.exit_status
    finally:
        signals.restore(before)
    return 0


class Parser(argparse.ArgumentParser):
    """For `python -m` commands: bad words are bad input, as anywhere.

    Args:
        module: what follows -m.
        description: its help.
    """

    def __init__(self, module: str, description: str | None):
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            formatter_class=formatter,
            allow_abbrev=False,  # --seed is not --seeds
        )

    def error(self, message):
        raise UsageError(f"{message} ({self.prog} --help lists what there is)")


def load_backend(config: Config | None = None) -> None:
    """Import Keras and its backend without the lines it prints at start-up; say what it runs on.

    Args:
        config: of a run that will be trained: its devices are prepared.

    Set TF_CPP_MIN_LOG_LEVEL (to 0, say) to see TensorFlow's: why a GPU is not found, for one.

    Raises:
        UsageError: the backend that KERAS_BACKEND or Keras' own settings name is not installed, or
            finds no device, or not those of `config`.
    """
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    if quiet:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        absl.logging.set_verbosity(absl.logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with muted_stderr() if quiet else contextlib.nullcontext():
            import keras

            if config:
                from acai_tf import devices

                devices.prepare(config)
            described = _describe_devices(keras.backend.backend())
    except UsageError:
        raise
    # An unknown name is a ValueError; JAX_PLATFORMS that are not there are one of the other two.
    except (ImportError, ValueError, RuntimeError, AssertionError) as error:
        name = os.environ.get("KERAS_BACKEND", "its default backend")
        raise UsageError(
            f"Keras cannot start on {name} ({error or 'no such device'});"
            " set KERAS_BACKEND to tensorflow or jax, whichever is installed"
        ) from error
    print(described)


def _describe_devices(backend: str) -> str:
    if backend == "jax":
        import jax

        return f"JAX {jax.__version__} on {jax.device_count()} {jax.default_backend().upper()}"
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros(())  # the devices are set up, and speak of it, at the first tensor
        return f"TensorFlow {tf.__version__} on {f'{len(gpus)} GPU' if gpus else 'CPU'}"
    return f"Keras on {backend}"


@contextlib.contextmanager
def muted_stderr():
    """Nothing reaches stderr, not even from C++; a Python exception still does, afterwards."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
