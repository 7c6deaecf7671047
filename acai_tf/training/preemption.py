"""SIGINT and SIGTERM: they end a command at once, unless a run has to be saved first.

Python's KeyboardInterrupt is not used: some libraries swallow it, and during TensorFlow's import it
can crash the process. All files are written so that they survive a kill; nothing needs cleaning up.
"""

import contextlib
import os
import signal
import sys
import time

NUMBERS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0  # seconds: schedulers may signal a process and again its group; that is one signal


def handle(handler) -> dict:
    """Install a handler for both signals; one that is ignored, as under nohup, stays ignored.

    Returns:
        {signal number: the previous handler}; empty outside the main thread.
    """
    previous = {}
    with contextlib.suppress(ValueError):
        for number in NUMBERS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.signal(number, handler)
    return previous


def restore(previous: dict) -> None:
    """Restore the handlers that `handle` returned."""
    for number, handler in previous.items():
        signal.signal(number, handler)


def end_at_once() -> dict:
    """From now on a signal ends the process with one line and status 128 + its number.

    Scripts call it before their imports; `cli.run` calls it for all others.

    Returns:
        What `restore` takes.
    """
    stderr = os.dup(2)  # stderr is muted while the backend is imported

    def end(number, frame):
        _write(stderr, f"{signal.Signals(number).name}: interrupted\n")
        leave(128 + number)

    return handle(end)


def leave(status: int) -> None:
    """End the process now, with no time for another signal to crash the interpreter's shutdown."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def _write(stream: int, text: str) -> None:
    """Write to a file descriptor: in a signal handler, `print` may interrupt another `print`."""
    with contextlib.suppress(OSError):  # nobody may be reading
        os.write(stream, text.encode())


class Signals:
    """Records a signal until the run is saved; a second one takes effect at once.

    Attributes:
        received: the signal's number; 0: none.
    """

    def __init__(self):
        self.received = 0

    @contextlib.contextmanager
    def deferred(self):
        """Record signals within this context."""
        self._previous = handle(self._receive)
        try:
            yield
        finally:
            restore(self._previous)

    def _receive(self, number, frame):
        now = time.monotonic()
        if not self.received:
            self.received, self._when = number, now
            _write(2, f"\n{signal.Signals(number).name}: saving; once more to stop at once\n")
        elif now - self._when > TOGETHER:
            restore(self._previous)
            signal.raise_signal(number)
