"""What gives images to be decoded once, and what takes them (`acai_tf.data.cache`)."""

import contextlib
import errno
import os
import pathlib
import shutil
import sys
import uuid
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from acai_tf.data.square import WHITE
from acai_tf.errors import UsageError
from acai_tf.files import unwritable

SPLITS = ("train", "test")


@dataclass
class Decoded:
    """What a source says of the images it has decoded.

    Attributes:
        image_shape: (height, width, colors).
        class_names: what label 0, 1, ... means.
        origin: what `Source.unchanged` needs; JSON.
        left_out: what could not be read.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    origin: dict
    left_out: list[str] = field(default_factory=list)


class Source(ABC):
    """Where images come from and how they are made square."""

    recipe: dict  # with the dataset's name, what distinguishes one decoding from another; JSON

    @staticmethod
    def laid_on(background: tuple[int, int, int]) -> dict:
        """The part of a recipe that names the background; empty for white, so that what was decoded
        before there was a choice keeps its place."""
        return {} if background == WHITE else {"background": background}

    @abstractmethod
    def unchanged(self, origin: dict) -> bool:
        """Whether decoding again would give what was decoded when `origin` was written down."""

    @abstractmethod
    def decode(self, writer: "Writer") -> Decoded:
        """Give all images to `writer`, in an order that is always the same."""


_UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT),  # full
    *(errno.EACCES, errno.EPERM, errno.EROFS),  # forbidden
    *(errno.ENOTDIR, errno.EEXIST),  # there is a file in the way
}


@contextlib.contextmanager
def explained(root: pathlib.Path):
    """Around what writes a cache: a UsageError where it cannot, CannotSave of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise unwritable(error)(
            f"decoded images cannot be kept in {root} ({error.strerror}); give another --cache_dir"
        ) from error


class Writer:
    """Takes decoded images and writes them down, with a progress bar.

    Args:
        folder: where to.
        name: of the dataset.
    """

    def __init__(self, folder: pathlib.Path, name: str):
        self._folder, self._name = folder, name
        self.id = uuid.uuid4().hex[:8]
        self.counts = dict.fromkeys(SPLITS, 0)
        self.levels = [255, 0]  # the lowest and the highest of all pixels
        self.checksums = {}  # file name -> CRC-32
        self._files, self._bar = {}, None

    def expect(self, count: int, image_shape: tuple[int, int, int]) -> None:
        """Say how many images will come.

        Raises:
            UsageError: they do not fit on the disk.
        """
        need, free = count * int(np.prod(image_shape)), shutil.disk_usage(self._folder).free
        if need > free:
            raise UsageError(
                f"{self._name} takes {need / 1e9:.1f} GB decoded, {free / 1e9:.1f} GB are free in"
                f" {self._folder.parent}; give another --cache_dir or a smaller --image_size"
            )
        print(f"decoding {count:,} images of {self._name} into {self._folder}, once")
        hidden = not sys.stderr.isatty()
        self._bar = tqdm(total=count, unit="img", unit_scale=True, desc="decoding", disable=hidden)

    def add(self, split: str, images: np.ndarray, labels: Sequence[int]) -> None:
        """Take the next images [n, H, W, C] uint8 of "train" or "test", and their labels [n]."""
        arrays = np.ascontiguousarray(images, np.uint8), np.asarray(labels, np.int64)
        with explained(self._folder.parent):
            for path, array in zip(paths(self._folder, self.id, split), arrays, strict=True):
                if path not in self._files:
                    self._files[path] = open(path, "wb")  # noqa: SIM115 - closed by `close`
                self._files[path].write(array)
                self.checksums[path.name] = zlib.crc32(array, self.checksums.get(path.name, 0))
        self.counts[split] += len(images)
        low, high = self.levels
        self.levels = [int(arrays[0].min(initial=low)), int(arrays[0].max(initial=high))]

    def advance(self, count: int) -> None:
        """Move the bar on by `count` images, those that were left out among them."""
        self._bar.update(count)

    def finish(self) -> None:
        """Have everything on the disk.

        Raises:
            UsageError: there is nothing to train or to test on.
        """
        if not all(self.counts.values()):
            counts = " and ".join(f"{count} {split}" for split, count in self.counts.items())
            raise UsageError(f"{self._name} has {counts} images; it takes some of both")
        with explained(self._folder.parent):
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk: then `finish` has not been reached
                file.close()
        if self._bar:
            self._bar.close()


def paths(folder: pathlib.Path, id: str, split: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The files of a split: raw images, uint8 [N, H, W, C], and raw labels, int64 [N]."""
    return folder / f"{id}-{split}_images", folder / f"{id}-{split}_labels"
