"""Arrays of an .npz file that anyone may have written."""

import os
import zipfile

import numpy as np


def read(path: str | os.PathLike, most: int) -> dict[str, np.ndarray]:
    """All arrays of a file, by name. No code in it is run: what is pickled is refused.

    Args:
        path: the file.
        most: bytes that the arrays may take; a few compressed ones can stand for any number.

    Raises:
        OSError, ValueError, zipfile.BadZipFile and some more: it is damaged, or no such file.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise ValueError(f"its arrays are {size:,} bytes, {most:,} at most can be read")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}  # reads and checks all of it
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy hands out what is no array as bytes
            raise ValueError(f"{name} is no array")
    return arrays
