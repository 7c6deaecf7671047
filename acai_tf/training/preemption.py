"""SIGINT and SIGTERM: they end a command at once, but where a run has to be saved first.

Python's own KeyboardInterrupt gets lost in libraries that catch everything, and one in the midst of
TensorFlow's import can crash the process. Whatever a command writes survives a kill, so that it
need not unwind.
"""

import contextlib
import os
import signal
import sys
import time

NUMBERS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0  # seconds within which two signals are one: some tell a process and its group


def handle(handler) -> dict:
    """Give both signals a handler; one that is ignored, as under nohup, stays so.

    Returns:
        {number: the handler before}; empty in another thread than the main one.
    """
    before = {}
    with contextlib.suppress(ValueError):
        for number in NUMBERS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
    return before


def restore(before: dict) -> None:
    """Set the handlers that `handle` returned."""
    for number, handler in before.items():
        signal.signal(number, handler)


def end_at_once() -> dict:
    """From now on a signal ends the process with one line and status 128 + its number.

    train.py, evaluate.py and, for `python -m`, acai_tf/__init__.py call it before they import
    anything else; `command.run` where nobody has.

    Returns:
        What `restore` takes.
    """
    stderr = os.dup(2)  # which is muted while the backend is imported

    def end(number, frame):
        with contextlib.suppress(OSError):
            os.write(stderr, f"{signal.Signals(number).name}: interrupted\n".encode())
        leave(128 + number)

    return handle(end)


def leave(status: int) -> None:
    """End the process now: while the interpreter winds down, one more signal would kill it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


class Signals:
    """Signals that are remembered, until what must be saved is; a second one is obeyed at once.

    Attributes:
        received: the number of the signal; 0: none.
    """

    def __init__(self):
        self.received = 0
        self._before = {}

    @contextlib.contextmanager
    def heeded(self):
        """Remember signals within this context."""
        self._before = handle(self._receive)
        try:
            yield
        finally:
            restore(self._before)

    def _receive(self, number, frame):
        now = time.monotonic()
        if not self.received:
            self.received, self._when = number, now
            # Not print: this may come in the midst of another one, or nobody may listen any more.
            with contextlib.suppress(OSError):
                name = signal.Signals(number).name
                os.write(2, f"\n{name}: saving; once more to stop at once\n".encode())
        elif now - self._when > TOGETHER:
            restore(self._before)
            signal.raise_signal(number)
