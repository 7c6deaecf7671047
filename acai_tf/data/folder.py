"""A folder of pictures, folder:/path; its sub-folders are classes."""

import hashlib
import itertools
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from acai_tf.config import Config
from acai_tf.data import cache
from acai_tf.data.dataset import SPLITS, ArrayDataset
from acai_tf.data.square import is_grey, middle
from acai_tf.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # whatever the suffix is
IGNORED = (".", "__MACOSX")  # how hidden files and folders begin
TEST_FOLDERS = ("test", "val", "valid", "validation")
TEST_SHARE = 10  # one picture in ten is for testing where no folder has test pictures
RUN_FOLDER = {"config.json", "lock"}  # files of a folder of a training run
PART = 500  # pictures decoded at a time


def load(config: Config) -> ArrayDataset:
    """The pictures in the folder named by `config.dataset`, folder:<path>, as center squares.

    - With a sub-folder `train`, that is the training set, and `test` (or `val`, `valid`,
      `validation`) the test set; other pictures are left out. Otherwise about one picture in ten
      is a test picture, chosen by its name alone, so that it remains one when others are added.
    - Each sub-folder (of those, where there are those) is a class, with all that is below it;
      pictures next to class folders are left out. With fewer than two there are no classes, and
      all pictures are used.
    - Transparent pictures get `config.background`.
    - Grey if all pictures are, else colored. Hidden files and folders of runs are ignored.

    Raises:
        UsageError: it does not exist, cannot be read, or has too few pictures.
    """
    return cache.load(config, FolderSource(config))


class Found(NamedTuple):
    """A picture file: its path below the folder, and what shows that it has changed."""

    path: str
    size: int
    modified: int
    readable: bool


class FolderSource:
    """A folder of pictures; a `cache.Source`."""

    def __init__(self, config: Config):
        self.recipe = {}
        self._root = pathlib.Path(config.dataset.partition(":")[2])
        self._size, self._background = config.image_size, config.background_rgb
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise UsageError(f"cannot read the folder {self._root} ({error.strerror})") from None
        self._found, self._unreadable = find(self._root)
        if not self._found:
            raise UsageError(
                f"{self._root} holds no pictures; known suffixes: {', '.join(SUFFIXES)}"
            )
        self._listing = hashlib.sha256(repr(sorted(self._found)).encode()).hexdigest()

    def unchanged(self, origin):
        return origin["listing"] == self._listing

    def decode(self):
        places, outside = assign([found.path for found in self._found])
        if outside:
            print(
                f"left out of {self._root}, since they belong to no class or split:"
                f" {len(outside)} pictures: {cache.listed([*map(_printable, outside)])}"
            )
        names = sorted({class_name for _, class_name in places.values() if class_name})
        grey = self._read(list(places), lambda image: is_grey(image, self._background))
        shape = (self._size, self._size, 1 if all(one is not False for one in grey) else 3)
        left_out = [_printable(path) for path in self._unreadable]
        return cache.Decoding(
            image_shape=shape,
            class_names=tuple(map(_printable, names)),
            count=len(places),
            parts=self._parts(places, names, shape, left_out),
            origin={"listing": self._listing},
            left_out=left_out,
        )

    def _parts(self, places: dict, names: list[str], shape: tuple, left_out: list[str]):
        """Decoded pictures, with labels; the paths of broken ones are appended to `left_out`."""
        broken = []
        label = {name: index for index, name in enumerate(names)}
        for split in SPLITS:
            paths = [path for path, place in places.items() if place[0] == split]
            images = self._read(paths, lambda image: middle(image, shape, self._background))
            decoded = zip(paths, images, strict=True)
            while part := list(itertools.islice(decoded, PART)):
                broken += [_printable(path) for path, image in part if image is None]
                if whole := [(path, image) for path, image in part if image is not None]:
                    labels = [label.get(places[path][1], 0) for path, _ in whole]
                    yield split, np.stack([image for _, image in whole]), labels
        if len(broken) == len(places):
            raise UsageError(f"none of the {len(broken)} pictures in {self._root} can be read")
        left_out += broken

    def _read(self, paths: list[str], function: Callable) -> Iterator:
        """The function of each picture, computed in threads; None where it cannot be read."""

        def read(path: str):
            try:
                with Image.open(self._root / path, formats=FORMATS) as image:
                    return function(image)
            except Exception:  # Pillow raises many kinds for damaged files
                return None

        # Pillow decodes without the interpreter's lock. It warns of files that it can read.
        with ThreadPoolExecutor(os.cpu_count()) as threads, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in range(0, len(paths), PART):
                yield from threads.map(read, paths[start : start + PART])


def find(root: pathlib.Path) -> tuple[list[Found], list[str]]:
    """All pictures below a folder, following links, and what cannot be read: folders, and files
    that have a picture's suffix and are pipes or broken links."""
    found, unreadable = [], []

    def note(error: OSError) -> None:
        unreadable.append(str(pathlib.Path(error.filename).relative_to(root)))

    for folder, folders, files in os.walk(root, followlinks=True, onerror=note):
        below = pathlib.Path(folder).relative_to(root)
        above = {os.path.realpath(root / parent) for parent in below.parents}
        if os.path.realpath(folder) in above or set(files) >= RUN_FOLDER:  # a cycle of links
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(IGNORED)]
        for name in files:
            if name.startswith(IGNORED) or not name.lower().endswith(SUFFIXES):
                continue
            path = root / below / name
            if os.path.isfile(path):
                status, readable = path.stat(), os.access(path, os.R_OK)
                found.append(Found(str(below / name), status.st_size, status.st_mtime_ns, readable))
            else:
                unreadable.append(str(below / name))
    return found, sorted(unreadable)


def assign(paths: list[str]) -> tuple[dict[str, tuple[str, str | None]], list[str]]:
    """{path: ("train" or "test", class)}, and the pictures that belong to no class or split.

    Pictures are shuffled, by a hash of their names, so that the first ones are of all classes.
    """
    folders = {first for first, *below in (pathlib.PurePath(p).parts for p in paths) if below}
    test = next((name for name in TEST_FOLDERS if name in folders), None)
    splits = {"train": "train", test: "test"} if "train" in folders else None
    places = {}
    for path in sorted(paths, key=_hash):
        *above, _ = pathlib.PurePath(path).parts
        split = "train"
        if splits:
            split = splits.get(above.pop(0)) if above else None
        places[path] = split, above[0] if above else None
    classes = {class_name for split, class_name in places.values() if split} - {None}
    if len(classes) < 2:
        places = {path: (split, None) for path, (split, _) in places.items()}
    inside = {
        path: (split, class_name)
        for path, (split, class_name) in places.items()
        if split and (class_name or len(classes) < 2)
    }
    if not any(split == "test" for split, _ in inside.values()):
        kept = [path for path in inside if _hash(path) % TEST_SHARE == 0] or list(inside)[:1]
        inside |= {path: ("test", inside[path][1]) for path in kept}
    return inside, [path for path in places if path not in inside]


def _hash(path: str) -> int:
    return int(hashlib.sha256(os.fsencode(pathlib.PurePath(path).as_posix())).hexdigest(), 16)


def _printable(path: str) -> str:
    """A path as valid text, whatever bytes it consists of."""
    return os.fsencode(path).decode(errors="replace")
