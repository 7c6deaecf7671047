"""Images decoded once and kept on disk.

One folder per dataset in --cache_dir:

contents.json                            shape, counts, classes, and what the images were made from
<id>-train_images, <id>-test_images      raw uint8 [N, H, W, C]
<id>-train_labels, <id>-test_labels      raw int64 [N]

contents.json is written last, in one step, and has checksums of all files and of itself. A cache
that is incomplete, damaged or out of date is decoded again. Images that do not fit in memory are
memory-mapped; of those only the size is checked, not the pixels.
"""

import contextlib
import hashlib
import json
import math
import os
import pathlib
import shutil
import sys
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import psutil
from tqdm import tqdm

from acai_tf.config import Config
from acai_tf.data import short_name
from acai_tf.data.dataset import SPLITS, ArrayDataset
from acai_tf.data.square import WHITE
from acai_tf.errors import CannotSave, UsageError
from acai_tf.files import expanded, hold, unwritable, write_atomically

FORMAT = 1  # of the files and of how images are decoded; a new one decodes everything again
CONTAINER_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")
SHARE = 0.5  # of the free memory that images may take
NAMED = 5  # unreadable files that are printed; contents.json lists all


@dataclass
class Decoding:
    """Images that are being decoded.

    Attributes:
        image_shape: (height, width, colors).
        class_names: names of label 0, 1, ...
        count: expected number of images.
        parts: yields ("train" or "test", images [n, H, W, C] uint8, labels [n]), always in the same
            order; a negative label says that there are no classes.
        origin: what `Source.unchanged` needs; JSON.
        left_out: what could not be read; complete when `parts` is exhausted.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    count: int
    parts: Iterator[tuple[str, np.ndarray, np.ndarray]]
    origin: dict
    left_out: list[str] = field(default_factory=list)


class Source(Protocol):
    """Images to decode; `recipe` identifies them, besides dataset, size and background (JSON)."""

    recipe: dict

    def unchanged(self, origin: dict) -> bool:
        """Whether `decode` would give what was decoded from `origin`."""

    def decode(self) -> Decoding:
        """Start decoding."""


def load(config: Config, source: Source) -> ArrayDataset:
    """The images of `source`, from the cache, or decoded into it.

    Raises:
        UsageError: the source cannot be read, or the cache cannot be written.
        CannotSave: the disk is full or broken.
    """
    recipe = {**source.recipe, "size": config.image_size}
    if config.background_rgb != WHITE:
        recipe["background"] = config.background_rgb
    key = hashlib.sha256(json.dumps([FORMAT, config.dataset, recipe]).encode()).hexdigest()
    folder = cache_dir(config) / f"{short_name(config.dataset)}-{key[:8]}"
    dataset = _read(folder, config.dataset, source)  # a complete cache may be read-only
    if dataset is None:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = hold(folder / "lock", f"another process is decoding {config.dataset}; waiting")
        with lock:
            dataset = _read(folder, config.dataset, source)
            if dataset is None:
                _decode(folder, config.dataset, source)
                dataset = _read(folder, config.dataset, source)
    if dataset is None:
        raise CannotSave(f"images decoded into {folder} cannot be read; give another --cache_dir")
    return dataset


def cache_dir(config: Config) -> pathlib.Path:
    """Where decoded images are kept: --cache_dir, or the user's cache folder.

    Raises:
        UsageError: it is in a home folder that does not exist.
    """
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "acai_tf"
    return expanded(config.cache_dir or default).absolute()


def free_memory() -> int:
    """Bytes of memory that are free, within a container's limit."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # no container, or "max": no limit
        free = min(free, int(CONTAINER_LIMIT.read_text()))
    return free


def _read(folder: pathlib.Path, name: str, source: Source) -> ArrayDataset | None:
    """The dataset in `folder`; None where anything is missing, damaged or out of date."""
    try:
        contents = json.loads((folder / "contents.json").read_text())
        intact = contents.pop("checksum") == _checksum(contents)
        if not intact or not source.unchanged(contents["origin"]):
            return None
        dataset = _dataset(folder, contents, name)
    except Exception:  # json and numpy raise many kinds
        return None
    if left_out := contents["left_out"]:
        print(
            f"could not be read and left out: {len(left_out)}: {listed(left_out)}"
            f" (all in {folder / 'contents.json'})"
        )
    low, high = contents["levels"]
    if low == high:
        print(
            f"warning: all pixels of all images are {low}; if the pictures are transparent, try"
            " another --background"
        )
    return dataset


def _dataset(folder: pathlib.Path, contents: dict, name: str) -> ArrayDataset:
    """The dataset that contents.json describes; raises ValueError or OSError if it is damaged."""
    shape, class_names = tuple(contents["image_shape"]), tuple(contents["class_names"])
    free, where = free_memory(), "in memory"
    if sum(contents["counts"].values()) * math.prod(shape) > SHARE * free:
        where = f"memory-mapped from {folder}, since only {free / 1e6:,.0f} MB of memory are free"

    def whole(file: pathlib.Path, dtype: type) -> np.ndarray:
        array = np.fromfile(file, dtype)
        if zlib.crc32(array) != contents["checksums"][file.name]:
            raise ValueError(f"{file} is damaged")
        return array

    arrays = {}
    for split, count in contents["counts"].items():
        images_file, labels_file = _files(folder, contents["id"], split)
        if where == "in memory":
            images = whole(images_file, np.uint8)
        else:
            images = np.asarray(np.memmap(images_file, np.uint8, "r"))
        labels = whole(labels_file, np.int64)
        arrays[f"{split}_images"] = images.reshape(count, *shape)
        arrays[f"{split}_labels"] = labels if len(class_names) > 1 else np.zeros_like(labels)
    return ArrayDataset(name, shape, class_names, where=where, **arrays)


def _decode(folder: pathlib.Path, name: str, source: Source) -> None:
    """Decode everything into `folder`; on failure nothing is left in it."""
    _clear(folder)  # out of date, damaged, or left by a killed process
    try:
        contents = _write(folder, name, source.decode())
        text = json.dumps({**contents, "checksum": _checksum(contents)}, indent=1)
        with _writing(folder):
            write_atomically(folder / "contents.json", text + "\n")
    except BaseException:
        _clear(folder)
        raise


def _write(folder: pathlib.Path, name: str, decoding: Decoding) -> dict:
    """Write images and labels; returns what belongs in contents.json."""
    size, free = decoding.count * math.prod(decoding.image_shape), shutil.disk_usage(folder).free
    if size > free:
        raise UsageError(
            f"{name} takes {size / 1e9:.1f} GB decoded, {free / 1e9:.1f} GB are free in"
            f" {folder.parent}; give another --cache_dir or a smaller --image_size"
        )
    print(f"decoding {decoding.count:,} images of {name} into {folder}, once")
    id, class_names = uuid.uuid4().hex[:8], decoding.class_names
    counts, checksums, low, high = dict.fromkeys(SPLITS, 0), {}, 255, 0
    hidden = not sys.stderr.isatty()
    with tqdm(total=decoding.count, unit="img", desc="decoding", disable=hidden) as bar:
        for split, images, labels in decoding.parts:
            arrays = np.ascontiguousarray(images, np.uint8), np.asarray(labels, np.int64)
            for file, array in zip(_files(folder, id, split), arrays, strict=True):
                with _writing(folder), open(file, "ab") as stream:
                    stream.write(array)
                checksums[file.name] = zlib.crc32(array, checksums.get(file.name, 0))
            counts[split] += len(images)
            low, high = min(low, int(images.min())), max(high, int(images.max()))
            class_names = () if min(labels) < 0 else class_names
            bar.update(len(images))
    if not all(counts.values()):
        numbers = " and ".join(f"{count} {split}" for split, count in counts.items())
        raise UsageError(f"{name} has {numbers} images; both are needed")
    for file_name in checksums:
        with _writing(folder), open(folder / file_name, "rb+") as stream:
            os.fsync(stream.fileno())
    return {
        "name": name,
        "id": id,
        "image_shape": list(decoding.image_shape),
        "counts": counts,
        "levels": [low, high],
        "checksums": checksums,
        "class_names": list(class_names),
        "origin": decoding.origin,
        "left_out": decoding.left_out,
    }


@contextlib.contextmanager
def _writing(folder: pathlib.Path):
    """Around writes to the cache: an OSError becomes an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise unwritable(error)(
            f"decoded images cannot be kept in {folder.parent} ({error.strerror}); give another"
            " --cache_dir"
        ) from error


def _clear(folder: pathlib.Path) -> None:
    for file in folder.iterdir():
        if file.name != "lock":
            file.unlink()


def _files(folder: pathlib.Path, id: str, split: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The files of a split's images and labels."""
    return folder / f"{id}-{split}_images", folder / f"{id}-{split}_labels"


def _checksum(contents: dict) -> int:
    return zlib.crc32(json.dumps(contents).encode())


def listed(names: list[str]) -> str:
    """A list of names, cut after the first few."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
