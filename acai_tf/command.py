"""What the commands share: errors as one line, exit statuses, a TensorFlow that starts quietly."""

import contextlib
import os
import sys
from collections.abc import Callable

import absl.logging

from acai_tf.errors import AcaiError


def run(main: Callable[[], None]) -> int:
    """Run `main`; an AcaiError becomes one line on stderr.

    Returns:
        The exit status: 0, 2 for bad input, 3 for a run that diverged, 130 when interrupted.
    """
    try:
        main()
    except AcaiError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        if error.filename is None:  # not about a file: a defect of ours
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def load_tensorflow() -> None:
    """Import TensorFlow without the lines it prints at start-up, and say what it runs on.

    Set TF_CPP_MIN_LOG_LEVEL (to 0, say) to see those lines: why a GPU is not found, for one.
    """
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    if quiet:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        absl.logging.set_verbosity(absl.logging.ERROR)
    with _muted_stderr() if quiet else contextlib.nullcontext():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros(())  # the devices are set up, and speak of it, at the first tensor
    print(f"TensorFlow {tf.__version__} on {f'{len(gpus)} GPU' if gpus else 'CPU'}")


@contextlib.contextmanager
def _muted_stderr():
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
