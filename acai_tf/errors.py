"""What can go wrong that is the user's to mend; the commands print it as one line."""


class AcaiError(Exception):
    """Anything a command reports as one line instead of a traceback."""

    exit_status = 1


class UsageError(AcaiError, ValueError):
    """Bad input: says what was wrong and what to do. Exit status 2."""

    exit_status = 2


class DivergedError(AcaiError):
    """Training met a loss or a weight that is not finite. Exit status 3."""

    exit_status = 3


class CannotEvaluate(AcaiError):
    """An evaluator does not apply to a model or its data; says why. The others go on."""
