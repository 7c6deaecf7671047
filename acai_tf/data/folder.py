"""A folder of pictures: folder:/path, a class per sub-folder where there are any."""

import hashlib
import os
import pathlib
import warnings
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
RUN_FOLDER = {"config.json", "lock"}  # what a folder of our own holds, beside its sheets
PART = 500  # pictures decoded at a time


def load(config: Config) -> ArrayDataset:
    """The folder that `config.dataset`, folder:<path>, names, as centre squares.

    - Where it has a sub-folder `train`, that is trained on, and `test` (or `val`, `valid`,
      `validation`) beside it is tested on; what else is there is left out. Otherwise about one
      picture in ten is kept for testing, chosen by its name alone, so that it stays when others
      are added.
    - Each sub-folder (of those, where there are those) is a class, whatever lies below it;
      pictures beside class folders are left out. With fewer than two there are no classes, and
      all pictures are used.
    - Transparent pictures are laid on `config.background`.
    - Grey where all pictures are, else colored. Hidden files are passed over, and folders of runs.

    Raises:
        UsageError: it is not there, cannot be read, or holds too few pictures.
    """
    return cache.load(config, FolderSource(config))


class Found(NamedTuple):
    """A picture: where it is (below the folder), and what tells whether it has changed."""

    path: str
    size: int
    modified: int
    readable: bool


class Place(NamedTuple):
    """Where a picture belongs: "train" or "test", and its class folder."""

    role: str
    class_name: str | None


class FolderSource(Source):
    """A folder of pictures."""

    def __init__(self, config: Config):
        self._root = pathlib.Path(config.dataset.partition(":")[2])
        self._size = config.image_size
        self._background = config.background_rgb
        self.recipe = {"size": self._size, **self.laid_on(self._background)}
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise UsageError(f"cannot read the folder {self._root} ({error.strerror})") from None
        self._found, self._closed = find(self._root)
        if not self._found:
            raise UsageError(
                f"{self._root} holds no pictures; known suffixes: {', '.join(SUFFIXES)}"
            )

    def unchanged(self, origin):
        return origin["listing"] == self._listing()

    def _listing(self) -> str:
        return hashlib.sha256(repr(sorted(self._found)).encode()).hexdigest()

    def decode(self, writer):
        places, without = assign([found.path for found in self._found])
        if without:
            more = ", ..." if len(without) > NAMED else ""
            print(
                f"left out of {self._root}, for they belong to no class or split:"
                f" {len(without)} pictures: {', '.join(map(_shown, without[:NAMED]))}{more}"
            )
        names = sorted({place.class_name for place in places.values() if place.class_name})
        label = {name: index for index, name in enumerate(names)}
        left_out = []
        # Pillow decodes without the interpreter's lock; of what it only warns of, nothing is lost.
        with ThreadPoolExecutor(os.cpu_count()) as threads, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grey = all(all(threads.map(self._grey, part)) for part in _parts(list(places)))
            shape = (self._size, self._size, 1 if grey else 3)
            writer.expect(len(places), shape)
            for role in SPLITS:
                for part in _parts([path for path, place in places.items() if place.role == role]):
                    images = threads.map(lambda path: self._image(path, shape[2]), part)
                    read = {p: i for p, i in zip(part, images, strict=True) if i is not None}
                    left_out += [path for path in part if path not in read]
                    if read:
                        labels = [label.get(places[path].class_name, 0) for path in read]
                        writer.add(role, np.stack(list(read.values())), labels)
                    writer.advance(len(part))
        if len(left_out) == len(places):
            raise UsageError(f"none of the {len(left_out)} pictures in {self._root} can be read")
        return Decoded(
            image_shape=shape,
            class_names=tuple(map(_shown, names)),
            origin={"listing": self._listing()},
            left_out=[_shown(path) for path in self._closed + left_out],
        )

    def _grey(self, path: str) -> bool:
        try:
            with Image.open(self._root / path, formats=FORMATS) as image:
                return is_grey(image, self._background)
        except Exception:  # it says nothing, and is left out
            return True

    def _image(self, path: str, colors: int) -> np.ndarray | None:
        """The picture as [size, size, colors]; None where it cannot be read."""
        try:
            with Image.open(self._root / path, formats=FORMATS) as image:
                return square(image, self._size, colors, self._background)
        except Exception:  # Pillow raises many kinds at a damaged file
            return None


def find(root: pathlib.Path) -> tuple[list[Found], list[str]]:
    """All pictures below a folder, links followed, and what cannot be read: folders that are closed
    to us, and what is called like a picture and is no regular file."""
    found, closed = [], []

    def look(folder: str, above: frozenset[str]) -> None:
        real = os.path.realpath(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            closed.append(os.path.relpath(folder, root))
            return
        if real in above or {entry.name for entry in entries} >= RUN_FOLDER:  # a link in a circle
            return
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if os.path.isdir(entry.path):
                look(entry.path, above | {real})
            elif entry.name.lower().endswith(SUFFIXES):
                path = os.path.relpath(entry.path, root)
                if not os.path.isfile(entry.path):  # a pipe, or a link that leads nowhere
                    closed.append(path)
                    continue
                status, readable = entry.stat(), os.access(entry.path, os.R_OK)
                found.append(Found(path, status.st_size, status.st_mtime_ns, readable))

    look(str(root), frozenset())
    return found, closed


def assign(paths: list[str]) -> tuple[dict[str, Place], list[str]]:
    """Where each picture belongs, and the pictures that belong to no class or to no split.

    They come shuffled, by a hash of their names: the first ones are of all classes.
    """
    folders = {first for first, *below in (pathlib.PurePath(p).parts for p in paths) if below}
    test = next((name for name in TEST_FOLDERS if name in folders), None)
    roles = {"train": "train", test: "test"} if "train" in folders else None
    places, without = {}, []
    for path in sorted(paths, key=_hash):
        *above, _ = pathlib.PurePath(path).parts
        role = "train"
        if roles:
            if not above or above[0] not in roles:
                without.append(path)
                continue
            role = roles[above.pop(0)]
        places[path] = Place(role, above[0] if above else None)
    if len({place.class_name for place in places.values() if place.class_name}) < 2:
        places = {path: place._replace(class_name=None) for path, place in places.items()}
    else:
        without += [path for path, place in places.items() if not place.class_name]
        places = {path: place for path, place in places.items() if place.class_name}
    if not any(place.role == "test" for place in places.values()):
        kept = [path for path in places if _hash(path) % TEST_SHARE == 0] or list(places)[:1]
        places |= {path: places[path]._replace(role="test") for path in kept}
    return places, without


def _hash(path: str) -> int:
    return int(hashlib.sha256(os.fsencode(pathlib.PurePath(path).as_posix())).hexdigest(), 16)


def _shown(path: str) -> str:
    """A path that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="replace")


def _parts(paths: list[str]) -> list[list[str]]:
    return [paths[start : start + PART] for start in range(0, len(paths), PART)]
