"""The command line: `acai-tf <command>`, or `python -m acai_tf <command>`.

What the commands share: errors as one line, exit statuses, a quiet start of the backend.
"""

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable

import absl.logging

import acai_tf
from acai_tf.config import Config
from acai_tf.errors import AcaiError, Stopped, UsageError
from acai_tf.files import unwritable
from acai_tf.lazy import jax, tf
from acai_tf.training import preemption

# For processes that share a GPU: none takes all of its memory at the start.
SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}

COMMANDS = {  # name: (module with its `main`, help)
    "train": ("acai_tf.tools.train", "train an autoencoder"),
    "evaluate": ("acai_tf.tools.evaluate", "evaluate a run, an export or a pretrained model"),
    "export": ("acai_tf.tools.export", "export a model as SavedModel, Keras, ONNX or LiteRT"),
    "compare": ("acai_tf.tools.compare", "compare runs in one table"),
    "explore": ("acai_tf.tools.explore.command", "explore interpolations in the browser"),
    "render": ("acai_tf.tools.render", "render interpolations as an animation or an image"),
    "data": ("acai_tf.tools.data", "prepare and inspect a dataset"),
    "pretrained": ("acai_tf.tools.pretrained", "list the pretrained models, or add one"),
    "reproduce": ("acai_tf.tools.reproduce.command", "reproduce a table of the paper"),
}


def command() -> None:
    """Run the command that sys.argv names; raises UsageError if there is no such command."""
    name, *words = sys.argv[1:] or ["--help"]
    if name == "--version":
        return print(acai_tf.__version__)
    if name in ("--help", "-h", "--helpfull", "help"):
        print("usage: acai-tf <command> [options]; acai-tf <command> --help lists its options\n")
        for one, (_, text) in COMMANDS.items():
            print(f"  {one:<12}{text}")
        return
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; known: {', '.join(COMMANDS)}")
    sys.argv = [f"acai-tf {name}", *words]
    importlib.import_module(COMMANDS[name][0]).main()


def run(main: Callable[[], None]) -> int:
    """Run `main`; print an AcaiError, or an OSError about a file, as one line on stderr.

    SIGINT and SIGTERM end the process.

    Returns:
        The exit status: 0, or that of the error.
    """
    before = preemption.end_at_once()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a text stream
            stream.reconfigure(errors="backslashreplace")  # file names may not be valid text
    try:
        main()
    except Stopped as stop:
        print(stop, file=sys.stderr)
        preemption.leave(stop.exit_status)
    except AcaiError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # as in `acai-tf ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE
    except OSError as error:
        kind = unwritable(error)
        if error.filename is None and kind is UsageError:  # not about a file: a bug
            raise
        where = "" if error.filename is None else f": {error.filename!r}"
        print(f"error: {error.strerror}{where}", file=sys.stderr)
        return kind.exit_status
    finally:
        preemption.restore(before)
    return 0


class Parser(argparse.ArgumentParser):
    """The parser of a command in COMMANDS; bad options raise `UsageError`."""

    def __init__(self, command: str, description: str | None):
        super().__init__(
            prog=f"acai-tf {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # --seed is not --seeds
        )

    def error(self, message: str):
        raise UsageError(f"{message}; see {self.prog} --help")


def load_backend(config: Config | None = None) -> None:
    """Import Keras and its backend, set up the devices of a run to train, and print the device.

    TF_CPP_MIN_LOG_LEVEL=0 shows TensorFlow's log, for example why it finds no GPU.

    Raises:
        UsageError: the backend is not installed or has no such device.
    """
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    if quiet:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        absl.logging.set_verbosity(absl.logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with muted_stderr() if quiet else contextlib.nullcontext():
            import keras  # seconds

            if config:
                from acai_tf.training import distribution  # imports Keras

                distribution.prepare(config)
            device = _device(keras.backend.backend())
    except UsageError:
        raise
    # ValueError: an unknown backend; RuntimeError, AssertionError: not a device in JAX_PLATFORMS.
    except (ImportError, ValueError, RuntimeError, AssertionError) as error:
        name = os.environ.get("KERAS_BACKEND", "its default backend")
        raise UsageError(
            f"Keras cannot start on {name} ({error or 'no such device'});"
            " set KERAS_BACKEND to tensorflow or jax, whichever is installed"
        ) from error
    print(device)


def _device(backend: str) -> str:
    if backend == "jax":
        return f"JAX {jax.__version__} on {jax.device_count()} {jax.default_backend().upper()}"
    if backend == "tensorflow":
        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros(())  # sets up the devices, which logs
        return f"TensorFlow {tf.__version__} on {f'{len(gpus)} GPU' if gpus else 'CPU'}"
    return f"Keras on {backend}"


@contextlib.contextmanager
def muted_stderr():
    """Discard what is written to stderr, also by C++ code."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
