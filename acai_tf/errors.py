"""Errors that the user can fix; the commands print them as one line."""


class AcaiError(Exception):
    """Base class of the package's errors. Exit status 1."""

    exit_status = 1


class UsageError(AcaiError, ValueError):
    """Bad input; the message says what is wrong and how to fix it. Exit status 2."""

    exit_status = 2


class DivergedError(AcaiError):
    """A loss or a weight is not finite. Exit status 3."""

    exit_status = 3


class CannotSave(AcaiError):
    """A file cannot be written; what was saved before is intact. Exit status 74."""

    exit_status = 74  # EX_IOERR


class WorkerLost(AcaiError):
    """Another worker is gone; start all of them again. Exit status 75."""

    exit_status = 75  # EX_TEMPFAIL


class Stopped(AcaiError):
    """A signal stopped a run, which is saved. Exit status 128 + the signal's number."""

    def __init__(self, signal: int, message: str):
        super().__init__(message)
        self.exit_status = 128 + signal


class CannotEvaluate(AcaiError):
    """An evaluator does not apply to a model or its data; the others still run."""
