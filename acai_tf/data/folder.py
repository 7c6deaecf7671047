"""A folder of pictures: folder:/path, a class per sub-folder where there are any."""

import hashlib
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from acai_tf.config import Config
from acai_tf.data import cache
from acai_tf.data.cache import NAMED
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.source import SPLITS, Decoded, Source
from acai_tf.data.square import is_grey, square
from acai_tf.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # whatever the suffix says
TEST_FOLDERS = ("test", "val", "valid", "validation")
TEST_SHARE = 10  # one picture in ten is kept for testing where no folder holds those
PART = 500  # pictures decoded at a time


def load(config: Config) -> ArrayDataset:
    """The folder that `config.dataset`, folder:<path>, names, as centre squares.

    - Where it has a sub-folder `train`, that is trained on, and `test` (or `val`, `valid`,
      `validation`) beside it is tested on. Otherwise one picture in ten is kept for testing,
      chosen by its name alone, so that it stays when others are added.
    - Each sub-folder (of those, where there are those) is a class, whatever lies below it.
      Pictures beside class folders are left out. With fewer than two, there are no classes.
    - Grey where all pictures are, else colored. Hidden files are passed over.

    Raises:
        UsageError: it is not there, or holds too few pictures.
    """
    return cache.load(config, FolderSource(config))


class Found(NamedTuple):
    """A picture: where it is (below the folder), and what tells whether it has changed."""

    path: str
    size: int
    modified: int


class FolderSource(Source):
    """A folder of pictures."""

    def __init__(self, config: Config):
        self._root = pathlib.Path(config.dataset.partition(":")[2])
        self._size = config.width
        self.recipe = {"size": self._size}
        if not self._root.is_dir():
            raise UsageError(f"there is no folder {self._root}")
        self._found = _find(self._root)
        if not self._found:
            raise UsageError(
                f"{self._root} holds no pictures; known suffixes: {', '.join(SUFFIXES)}"
            )

    def unchanged(self, origin):
        return origin["listing"] == self._listing()

    def _listing(self) -> str:
        return hashlib.sha256(repr(sorted(self._found)).encode()).hexdigest()

    def decode(self, writer):
        places, loose = _places([found.path for found in self._found])
        if loose:
            print(
                f"{len(loose)} pictures beside the class folders of {self._root} are left out:"
                f" {', '.join(map(_shown, loose[:NAMED]))}{', ...' if len(loose) > NAMED else ''}"
            )
        names = sorted({place.class_name for place in places.values() if place.class_name})
        if len(names) == 1:
            print(f"{self._root} has one class folder: there is nothing to tell apart")
        label = {name: index for index, name in enumerate(names)}
        left_out = []
        with ThreadPoolExecutor() as threads:  # Pillow decodes without the interpreter's lock
            colors = 1 if all(threads.map(self._grey, places)) else 3
            shape = (self._size, self._size, colors)
            writer.expect(len(places), shape)
            for role in SPLITS:
                paths = [path for path, place in places.items() if place.role == role]
                for start in range(0, len(paths), PART):
                    part = paths[start : start + PART]
                    images = list(threads.map(lambda path: self._image(path, colors), part))
                    read = [(i, p) for i, p in zip(images, part, strict=True) if i is not None]
                    left_out += [p for i, p in zip(images, part, strict=True) if i is None]
                    if read:
                        labels = [label.get(places[path].class_name, 0) for _, path in read]
                        writer.add(role, np.stack([image for image, _ in read]), labels)
                    writer.advance(len(part))
        if len(left_out) == len(places):
            raise UsageError(f"none of the {len(left_out)} pictures in {self._root} can be read")
        return Decoded(
            image_shape=shape,
            class_names=tuple(map(_shown, names)),
            origin={"listing": self._listing()},
            left_out=[_shown(path) for path in left_out],
        )

    def _grey(self, path: str) -> bool:
        try:
            with Image.open(self._root / path, formats=FORMATS) as image:
                return is_grey(image)
        except Exception:  # it says nothing, and is left out
            return True

    def _image(self, path: str, colors: int) -> np.ndarray | None:
        """The picture as [size, size, colors]; None where it cannot be read."""
        try:
            with Image.open(self._root / path, formats=FORMATS) as image:
                return square(image, self._size, colors)
        except Exception:  # Pillow raises many kinds at a damaged file
            return None


class Place(NamedTuple):
    """Where a picture belongs: "train" or "test", and its class folder."""

    role: str
    class_name: str | None


def _find(root: pathlib.Path) -> list[Found]:
    """All pictures below a folder; links are followed, once each."""
    found, seen = [], set()
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above
            below.clear()
            continue
        seen.add(real)
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:  # a link to nothing
                    status = os.lstat(path)
                found.append(Found(os.path.relpath(path, root), status.st_size, status.st_mtime_ns))
    return found


def _places(paths: list[str]) -> tuple[dict[str, Place], list[str]]:
    """Where each picture belongs, and those beside class folders, which belong to none.

    They come shuffled, by a hash of their names: the first ones are of all classes.
    """
    folders = {
        pathlib.PurePath(path).parts[0] for path in paths if pathlib.PurePath(path).parent.name
    }
    test = next((name for name in TEST_FOLDERS if name in folders), None)
    roles = {"train": "train", test: "test"} if "train" in folders else None
    places = {}
    for path in sorted(paths, key=_hash):
        *above, _ = pathlib.PurePath(path).parts
        role = "train"
        if roles:
            if not above or above[0] not in roles:
                continue
            role = roles[above.pop(0)]
        places[path] = Place(role, above[0] if above else None)
    loose = []
    if any(place.class_name for place in places.values()):
        loose = [path for path, place in places.items() if not place.class_name]
        places = {path: place for path, place in places.items() if place.class_name}
    if not any(place.role == "test" for place in places.values()):
        for path in list(places)[: max(1, len(places) // TEST_SHARE)]:
            places[path] = places[path]._replace(role="test")
    return places, loose


def _hash(path: str) -> str:
    return hashlib.sha256(os.fsencode(pathlib.PurePath(path).as_posix())).hexdigest()


def _shown(path: str) -> str:
    """A path that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="replace")
