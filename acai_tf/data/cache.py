"""Images decoded once and kept as uint8: in memory where they fit, else read as they are needed.

One folder per dataset in --cache_dir:

contents.json                            shape, counts, classes, and what the images were made from
<id>-train_images, <id>-test_images      uint8 [N, H, W, C], nothing else
<id>-train_labels, <id>-test_labels      int64 [N], nothing else

contents.json is written last and in one step, and holds checksums of the other files and of
itself. What is not whole, for whatever reason, is decoded again. Sizes, labels and contents.json
are checked at each start, and images where they are held in memory; pixels that are read as they
are needed are not.
"""

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import zlib
from collections.abc import Callable

import numpy as np

from acai_tf.config import Config
from acai_tf.data import short_name
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.rows import AGAIN, Rows
from acai_tf.data.source import SPLITS, Source, Writer, explained, paths
from acai_tf.errors import DataLost
from acai_tf.files import expanded, hold, write_atomically

FORMAT = 1  # of the cache, and of how images are prepared: raise it to have all of them made again
CONTAINER_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")
SHARE = 0.5  # of the free memory that images may take
NAMED = 5  # files that could not be read and are named; all are in contents.json


def load(config: Config, source: Source) -> ArrayDataset:
    """The images of `source`, decoded now if they have not been.

    Raises:
        UsageError: the source cannot be read, or the cache cannot be written.
    """
    root = cache_dir(config)
    key = hashlib.sha256(json.dumps([FORMAT, config.dataset, source.recipe]).encode()).hexdigest()
    folder = root / f"{short_name(config.dataset)}-{key[:8]}"
    found = _open(folder, config.dataset, source)  # a cache that is complete need not be writable
    if found is None:
        with explained(root):
            folder.mkdir(parents=True, exist_ok=True)
            lock = hold(folder / "lock", f"another process is decoding {config.dataset}; waiting")
        with lock:
            found = _open(folder, config.dataset, source)
            if found is None:
                contents = _decode(folder, config.dataset, source)
                found = contents, _dataset(folder, contents, config.dataset)
    contents, dataset = found
    if left_out := contents["left_out"]:
        more = f", and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        print(
            f"could not be read and left out: {len(left_out)}:"
            f" {', '.join(left_out[:NAMED])}{more} (all in {folder / 'contents.json'})"
        )
    low, high = contents["levels"]
    if low == high:
        print(
            f"warning: all pixels of all images are {low}; where they are transparent, another"
            " --background may show more"
        )
    return dataset


def cache_dir(config: Config) -> pathlib.Path:
    """Where decoded images are kept: --cache_dir, or the user's own cache; raises UsageError where
    that is in a home folder that there is not."""
    own = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "acai_tf"
    return expanded(config.cache_dir or own).absolute()


def _open(folder: pathlib.Path, name: str, source: Source) -> tuple[dict, ArrayDataset] | None:
    """What contents.json says, and the images; None where anything is damaged or missing, or is not
    what the source holds now."""
    try:
        contents = json.loads((folder / "contents.json").read_text())
        if contents.pop("checksum") != _checksum(contents):
            return None
        if not source.unchanged(contents["origin"]):
            return None
        return contents, _dataset(folder, contents, name)
    except Exception:  # a damaged file makes json and numpy raise many kinds
        return None


def _checksum(contents: dict) -> int:
    return zlib.crc32(json.dumps(contents).encode())


def _decode(folder: pathlib.Path, name: str, source: Source) -> dict:
    """Decode everything, commit it, and remove what it replaces."""
    if not (folder / "contents.json").exists():
        _remove(folder, lambda file: True)  # what a killed decoding left
    writer = Writer(folder, name)
    try:
        decoded = source.decode(writer)
        writer.finish()
    except BaseException:
        writer.close()
        _remove(folder, lambda file: file.name.startswith(writer.id))
        raise
    writer.close()
    contents = {
        "name": name,
        "id": writer.id,
        "image_shape": list(decoded.image_shape),
        "counts": writer.counts,
        "levels": writer.levels,
        "checksums": writer.checksums,
        "class_names": list(decoded.class_names),
        "origin": decoded.origin,
        "left_out": decoded.left_out,
    }
    text = json.dumps({**contents, "checksum": _checksum(contents)}, indent=1)
    with explained(folder.parent):
        write_atomically(folder / "contents.json", text + "\n")
    _remove(folder, lambda file: not file.name.startswith(writer.id))
    return contents


def _remove(folder: pathlib.Path, which: Callable[[pathlib.Path], bool]) -> None:
    for file in folder.glob("*-*_*"):
        if which(file):
            file.unlink()


def _dataset(folder: pathlib.Path, contents: dict, name: str) -> ArrayDataset:
    """The images that contents.json describes, checked.

    Raises:
        DataLost: a file is not as it was written.
        OSError: a file cannot be read.
    """
    shape, counts = tuple(contents["image_shape"]), contents["counts"]
    files = {split: paths(folder, contents["id"], split) for split in SPLITS}
    images = {split: Rows(path, (counts[split], *shape)) for split, (path, _) in files.items()}
    for split, (path, _) in files.items():
        if path.stat().st_size != images[split].nbytes:
            raise DataLost(f"{path} was cut short; {AGAIN}")
    size, free = sum(rows.nbytes for rows in images.values()), free_memory()
    if size <= SHARE * free:
        images = {split: np.asarray(rows) for split, rows in images.items()}
        where = "in memory"
    else:
        where = (
            f"read from {folder} as they are needed, for {free / 1e6:,.0f} MB of memory are free"
        )
    labels = {split: np.fromfile(path, np.int64) for split, (_, path) in files.items()}
    for split, held in itertools.product(SPLITS, (images, labels)):
        path = files[split][held is labels]
        checked = isinstance(held[split], np.ndarray)  # else it would have to be read at once
        if checked and zlib.crc32(held[split]) != contents["checksums"][path.name]:
            raise DataLost(f"{path} is damaged; {AGAIN}")
    if len(contents["class_names"]) < 2:  # nothing to tell apart, whatever the labels were
        labels = {split: np.zeros_like(values) for split, values in labels.items()}
    return ArrayDataset(
        name=name,
        image_shape=shape,
        class_names=tuple(contents["class_names"]),
        test_images=images["test"],
        test_labels=labels["test"],
        train_images=images["train"],
        train_labels=labels["train"],
        where=where,
    )


def free_memory() -> int:
    """Bytes of memory that are free; no more than a container's limit."""
    import psutil

    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # no container, or "max": no limit
        free = min(free, int(CONTAINER_LIMIT.read_text()))
    return free
