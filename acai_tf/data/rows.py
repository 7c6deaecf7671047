"""Images in a file, read as they are needed.

They are read, not mapped into memory (mmap): a mapped file that is cut short, or whose disk fails,
ends the process without a word.
"""

import contextlib
import copy
import os
import pathlib
import threading
import weakref

import numpy as np

from acai_tf.errors import DataLost

AGAIN = "run the same command again: images are decoded again"


class Rows:
    """What a file of uint8 holds and nothing else, as an array that is not in memory.

    Rows are read when it is indexed, along its first axis and as numpy arrays are: an array comes
    back. All are read when numpy makes an array of it, as np.asarray does. Several threads may
    read at a time. Where the system keeps a file that is removed for those who have it open, as
    all but Windows do, that does no harm.

    Args:
        path: the file.
        shape: [N, ...].

    Raises:
        DataLost: by all that read, where the file has been cut short or cannot be read.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, path: pathlib.Path, shape: tuple[int, ...]):
        self._file, self._places, self._row_shape = _File(path), np.arange(shape[0]), shape[1:]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._row_shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size

    def __getitem__(self, which) -> np.ndarray:
        return self._read(self._places[which])

    def take(self, indices, axis: int = 0) -> np.ndarray:
        """The rows of these indices, [n] -> [n, ...]; there are others along no other axis."""
        if axis != 0:
            raise ValueError(f"rows are taken along axis 0, not {axis}")
        return self._read(self._places.take(indices))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError("a file is no array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def between(self, start: int, stop: int) -> "Rows":
        """What [start:stop] holds, not read yet."""
        part = copy.copy(self)
        part._places = self._places[start:stop]
        return part

    def _read(self, places: np.ndarray) -> np.ndarray:
        images = np.empty((*places.shape, *self._row_shape), self.dtype)
        view, size = images.reshape(-1).data, int(np.prod(self._row_shape))
        places, start = places.reshape(-1).tolist(), 0
        for end in range(1, len(places) + 1):
            if end == len(places) or places[end] != places[end - 1] + 1:  # else in one go
                self._file.read(view[start * size : end * size], places[start] * size)
                start = end
        return images


Images = np.ndarray | Rows  # uint8 [N, H, W, C], or float32 in [-1, 1] of those in memory


def between(images: Images, start: int, stop: int) -> Images:
    """images[start:stop], not read yet where they are in a file: for what may be large."""
    return images.between(start, stop) if isinstance(images, Rows) else images[start:stop]


class _File:
    """A file that several threads read at any place; closed when nothing uses it any more."""

    def __init__(self, path: pathlib.Path):
        self._path, self._lock = path, threading.Lock()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the next line
        closer = weakref.finalize(self, self._file.close)
        closer.atexit = False  # a thread may be reading then; the system closes it
        self._number = self._file.fileno()
        with contextlib.suppress(AttributeError, OSError):  # not every system takes advice
            # Single images are read, not their neighbours.
            os.posix_fadvise(self._number, 0, 0, os.POSIX_FADV_RANDOM)

    def read(self, view: memoryview, offset: int) -> None:
        """Fill `view` with what stands in the file from `offset` on."""
        while (count := self._some(view, offset)) < len(view):  # no call need read it all
            if not count:
                raise DataLost(f"{self._path} was cut short; {AGAIN}")
            view, offset = view[count:], offset + count

    def _some(self, view: memoryview, offset: int) -> int:
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._number, [view], offset)
            with self._lock:  # Windows: reading moves the one place that the file has
                self._file.seek(offset)
                return self._file.readinto(view)
        except OSError as error:
            raise DataLost(
                f"{self._path} cannot be read ({error.strerror}); remove it and {AGAIN}"
            ) from error
