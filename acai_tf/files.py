"""Files that are whole or not there, and folders that one process at a time writes in."""

import contextlib
import errno
import os
import pathlib
import typing

from acai_tf.errors import AcaiError, CannotSave, UsageError

try:
    import fcntl
except ImportError:  # Windows: two processes in one folder go unnoticed there
    fcntl = None

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of an OSError: no path is to blame


def unwritable(error: OSError) -> type[AcaiError]:
    """What an error of writing a file is: CannotSave of the disk's trouble, else a UsageError."""
    return CannotSave if error.errno in DISK_TROUBLE else UsageError


def write_atomically(path: pathlib.Path, text: str) -> None:
    """Write a file in one step: a kill leaves the old one or the new one."""
    # Names of files may be no text.
    with (
        replacing(path) as partial,
        open(partial, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: pathlib.Path):
    """Gives the name of a file to write, which replaces `path` once it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a write to an open file does not say it
        raise
    finally:
        with contextlib.suppress(OSError):  # it may be what fills the disk
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def saving(path: pathlib.Path, fix: str):
    """Around what writes: whatever keeps it from being written becomes a CannotSave.

    Args:
        path: what is written.
        fix: what the user should do.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CannotSave(f"cannot write {error.filename or path} ({reason}); {fix}") from error


def expanded(path: str | os.PathLike) -> pathlib.Path:
    """A path whose ~ is the user's home; raises UsageError where there is no such home."""
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"there is no home folder for the ~ of {path}; give the whole path"
        ) from None


def new_file(path: str) -> pathlib.Path:
    """A file to write.

    Raises:
        UsageError: there is such a file already, or no folder for it.
    """
    path = expanded(path)
    if path.exists():
        raise UsageError(f"{path} exists; give another name or remove it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder for {path}")
    return path


def hold(path: pathlib.Path, waiting: str | None = None) -> typing.IO:
    """A lock file, held until it is closed; a process that is killed lets go by itself.

    Args:
        path: the file; its folder must exist.
        waiting: what to print when another process holds it, to wait for it; None: do not wait.

    Raises:
        BlockingIOError: another process holds it, and `waiting` is None.
        OSError: the file cannot be written.
    """
    lock = open(path, "w")  # noqa: SIM115 - the caller closes it
    if fcntl is None:
        return lock
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is None:
            lock.close()
            raise
        print(waiting, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock
