"""Reading and writing files: whole or not at all, one process at a time, no code in them run."""

import contextlib
import errno
import os
import pathlib
import typing
import zipfile

import numpy as np

from acai_tf.errors import AcaiError, CannotSave, UsageError

try:
    import fcntl
except ImportError:  # Windows: two processes in one folder go unnoticed there
    fcntl = None

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # errors that no path is to blame for


def unwritable(error: OSError) -> type[AcaiError]:
    """The kind of a write error: CannotSave if the disk fails or is full, else UsageError."""
    return CannotSave if error.errno in DISK_TROUBLE else UsageError


def write_atomically(path: pathlib.Path, text: str) -> None:
    """Write a file in one step: a kill leaves the old one or the new one."""
    # Names of files need not be valid text.
    with (
        replacing(path) as partial,
        open(partial, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: pathlib.Path):
    """Yield the name of a file to write, which replaces `path` once it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # not set if writing to an open file fails
        raise
    finally:
        with contextlib.suppress(OSError):  # it may be what fills the disk
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def saving(path: pathlib.Path, fix: str):
    """Turn an OSError into a CannotSave.

    Args:
        path: the file or folder that is written.
        fix: what the user can do.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CannotSave(f"cannot write {error.filename or path} ({reason}); {fix}") from error


def expanded(path: str | os.PathLike) -> pathlib.Path:
    """The path with ~ expanded; raises UsageError if there is no such home folder."""
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"no home folder for the ~ of {path}; give the full path") from None


def new_file(path: str) -> pathlib.Path:
    """The path of a file to create.

    Raises:
        UsageError: the file exists, or its folder does not.
    """
    path = expanded(path)
    if path.exists():
        raise UsageError(f"{path} exists; give another name or remove it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder for {path}")
    return path


def hold(path: pathlib.Path, waiting: str | None = None) -> typing.IO:
    """Lock a file until the returned file is closed or the process ends.

    Args:
        path: the file; its folder must exist.
        waiting: what to print before waiting for another process; None: do not wait.

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


def read_npz(path: str | os.PathLike, most: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name. Pickled objects, which could run code, are refused.

    Args:
        path: the file.
        most: bytes that the arrays may take; a small compressed file can hold very large ones.

    Raises:
        OSError, ValueError, zipfile.BadZipFile and others: it is missing or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise ValueError(f"its arrays are {size:,} bytes, {most:,} at most can be read")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)  # reads everything and verifies the checksums
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy returns other members as bytes
            raise ValueError(f"{name} is not an array")
    return arrays
