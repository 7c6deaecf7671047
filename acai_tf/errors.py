"""What can go wrong that is the user's to fix; the commands print it as one line."""


class AcaiError(Exception):
    """Anything a command reports as one line instead of a traceback."""

    exit_status = 1


class UsageError(AcaiError, ValueError):
    """Bad input: says what was wrong and what to do. Exit status 2."""

    exit_status = 2


class DivergedError(AcaiError):
    """Training met a loss or a weight that is not finite. Exit status 3."""

    exit_status = 3


class CannotSave(AcaiError):
    """A run's folder can no longer be written; what was saved before is whole. Exit status 74."""

    exit_status = 74  # EX_IOERR


class WorkerLost(AcaiError):
    """Another worker is gone; all are to be started again. Exit status 75."""

    exit_status = 75  # EX_TEMPFAIL


class Stopped(AcaiError):
    """A signal ended a run, which is saved. Exit status 128 + the signal's number, as in shells.

    Args:
        signal: its number.
        message: where the run stands.
    """

    def __init__(self, signal: int, message: str):
        super().__init__(message)
        self.exit_status = 128 + signal


class CannotEvaluate(AcaiError):
    """An evaluator does not apply to a model or its data; says why. The others go on."""
