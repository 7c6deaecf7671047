"""The command line: `acai-tf <command>`, or `python -m acai_tf <command>`.

What the commands share: errors as one line, exit statuses, a backend that starts quietly.
"""

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable

import absl.logging

from acai_tf.config import Config
from acai_tf.errors import AcaiError, Stopped, UsageError
from acai_tf.files import unwritable
from acai_tf.lazy import jax, tf
from acai_tf.training import preemption

# For processes that share a GPU: none takes all of its memory when it starts.
SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}

COMMANDS = {  # name: (module whose `main` it is, one line of help)
    "train": ("acai_tf.tools.train", "train an autoencoder"),
    "evaluate": ("acai_tf.tools.evaluate", "measure a run, an export, or a pretrained model"),
    "export": ("acai_tf.tools.export", "write a model as SavedModel, Keras file, ONNX, LiteRT"),
    "compare": ("acai_tf.tools.compare", "one table of several runs"),
    "explore": ("acai_tf.tools.explore", "a page in the browser: interpolate, mix, walk"),
    "render": ("acai_tf.tools.render", "interpolations as an animation or a strip"),
    "data": ("acai_tf.tools.data", "prepare a dataset and look at it"),
    "pretrained": ("acai_tf.tools.pretrained", "list the pretrained models, or add one"),
    "reproduce": ("acai_tf.tools.reproduce.command", "the runs behind a table of the paper"),
}


def entry() -> int:
    """`acai-tf`: run the command that the command line names; returns the exit status."""
    return run(_command)


def _command() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "--helpfull"):
        width = max(map(len, COMMANDS))
        print("usage: acai-tf <command> [options]; acai-tf <command> --help lists its options\n")
        print("\n".join(f"  {one:<{width}}  {text}" for one, (_, text) in COMMANDS.items()))
        return
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; known: {', '.join(COMMANDS)}")
    sys.argv = [f"acai-tf {name}", *sys.argv[2:]]
    importlib.import_module(COMMANDS[name][0]).main()


def run(main: Callable[[], None]) -> int:
    """Run `main`; an AcaiError, or an OSError about a file, becomes one line on stderr.

    SIGINT and SIGTERM end the process.

    Returns:
        The exit status: 0, or that of the error.
    """
    before = preemption.end_at_once()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream of the caller's own
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        main()
    except Stopped as stop:
        print(stop, file=sys.stderr)
        preemption.leave(stop.exit_status)
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
        preemption.restore(before)
    return 0


class Parser(argparse.ArgumentParser):
    """The parser of a command's options: a bad one is a `UsageError`.

    Args:
        command: its name in COMMANDS.
        description: its help.
    """

    def __init__(self, command: str, description: str | None):
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(
            prog=f"acai-tf {command}",
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
                from acai_tf.training import distribution

                distribution.prepare(config)
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
        return f"JAX {jax.__version__} on {jax.device_count()} {jax.default_backend().upper()}"
    if backend == "tensorflow":
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
