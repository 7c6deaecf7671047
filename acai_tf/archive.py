"""Arrays of an .npz or .keras file that anyone may have written."""

import io
import math
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
        _refuse_larger(_unpacked(archive), most)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}  # reads and checks all of it
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy hands out what is no array as bytes
            raise ValueError(f"{name} is no array")
    return arrays


def check_keras(path: str | os.PathLike, most: int) -> None:
    """See that the arrays of a .keras file take no more than `most` bytes, before any is read.

    Raises:
        As `read`.
    """
    import h5py

    with zipfile.ZipFile(path) as archive:
        _refuse_larger(_unpacked(archive), most)
        content = io.BytesIO(archive.read("model.weights.h5"))
    sizes = []

    def measure(_, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(math.prod(item.shape or ()) * item.dtype.itemsize)

    with h5py.File(content) as file:
        file.visititems(measure)
    _refuse_larger(sum(sizes), most)


def _unpacked(archive: zipfile.ZipFile) -> int:
    return sum(member.file_size for member in archive.infolist())


def _refuse_larger(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"its arrays are {size:,} bytes, {most:,} at most can be read")
