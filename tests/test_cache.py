"""Images decoded once, and kept."""

import dataclasses
import errno
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.data import cache
from acai_tf.data.cache import Decoding, Source
from acai_tf.data.dataset import SPLITS, ArrayDataset
from acai_tf.errors import CannotSave, UsageError
from tests.test_data import assert_same_batches, take

SHAPE = (16, 16, 3)


class Random(Source):
    """Random images, decoded in parts; counts how often."""

    recipe = {}  # noqa: RUF012

    def __init__(self, count=50, version=0, fail_after=None, hang=False):
        self.count, self.version, self.fail_after, self.hang = count, version, fail_after, hang
        self.decoded = 0

    def images(self, split):
        rng = np.random.default_rng([self.version, SPLITS.index(split)])
        return rng.integers(0, 256, (self.count, *SHAPE), np.uint8), np.arange(self.count) % 3

    def unchanged(self, origin):
        return origin["version"] == self.version

    def decode(self):
        self.decoded += 1
        origin = {"version": self.version}
        return Decoding(SHAPE, ("a", "b", "c"), 2 * self.count, self.parts(), origin, ["bad.png"])

    def parts(self):
        for split in SPLITS:
            images, labels = self.images(split)
            for start in range(0, self.count, 20):
                if split == "test" and self.fail_after is not None:
                    raise self.fail_after
                yield split, images[start : start + 20], labels[start : start + 20]
                if split == "test" and self.hang:
                    print("hanging", flush=True)
                    time.sleep(60)


@pytest.fixture
def config(tmp_path):
    return Config(dataset="folder:/some/faces", cache_dir=str(tmp_path / "kept"))


def assert_holds(dataset: ArrayDataset, source: Random):
    for split in SPLITS:
        images, labels = source.images(split)
        np.testing.assert_array_equal(getattr(dataset, f"{split}_images"), images)
        np.testing.assert_array_equal(getattr(dataset, f"{split}_labels"), labels)
    assert dataset.image_shape == SHAPE
    assert dataset.class_names == ("a", "b", "c")


def files(config):
    (folder,) = (f for f in cache.cache_dir(config).iterdir() if f.name.startswith("faces-"))
    return sorted(file for file in folder.iterdir() if file.name != "lock")


def test_images_are_decoded_once(config, capsys):
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert "decoding 100 images of folder:/some/faces into" in capsys.readouterr().out
    assert_holds(cache.load(config, source), source)
    assert source.decoded == 1
    out = capsys.readouterr().out
    assert "decoding" not in out
    assert "could not be read and left out: 1: bad.png" in out  # each time


def test_changed_images_are_decoded_anew_and_replace_the_old(config):
    cache.load(config, Random())
    before = files(config)
    changed = Random(version=1, count=30)
    assert_holds(cache.load(config, changed), changed)
    assert changed.decoded == 1
    assert len(files(config)) == len(before) == 5


def test_other_recipes_and_names_have_folders_of_their_own(config, monkeypatch):
    source = Random()
    cache.load(config, source)
    monkeypatch.setattr(Random, "recipe", {"of": "others"})
    cache.load(config, source)
    for changes in ({"image_size": 64}, {"background": "black"}, {"background": "#fff"}):
        cache.load(dataclasses.replace(config, **changes), source)
    assert source.decoded == 4  # #fff is white, the default
    assert len(list(cache.cache_dir(config).iterdir())) == 4


@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt(), UsageError("no")])
def test_a_decoding_that_failed_is_never_used_and_leaves_nothing(config, error):
    with pytest.raises(type(error)):
        cache.load(config, Random(fail_after=error))
    assert files(config) == []
    source = Random()
    assert_holds(cache.load(config, source), source)


def hang(config):
    cache.load(config, Random(hang=True))


@pytest.mark.slow
def test_a_decoding_that_was_killed_is_begun_again(config):
    process = multiprocessing.get_context("spawn").Process(target=hang, args=(config,))
    process.start()
    while not list(cache.cache_dir(config).rglob("*-test_images")):
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert files(config)  # half of them
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert len(files(config)) == 5


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
    "longer": lambda content: content + bytes(8),
    "a label of 2**40": lambda content: (2**40).to_bytes(8, "little") + content[8:],
    "removed": None,
}


@pytest.mark.parametrize("what", ["contents.json", "*-train_images", "*-test_labels"])
@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_are_made_again(config, what, how):
    cache.load(config, Random())
    (path,) = cache.cache_dir(config).rglob(what)
    if DAMAGE[how]:
        path.write_bytes(DAMAGE[how](path.read_bytes()))
    else:
        path.unlink()
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert source.decoded == 1


@pytest.mark.parametrize(
    "contents",
    ["[]", "{}", '{"image_shape": 3}', "\x00", "[" * 100_000, '{"a":' * 100_000, "9" * 5000]
    + [{"class_names": ["a"]}, {"class_names": "abc"}, {"image_shape": [3, 16, 16]}]
    + [{"counts": {"train": 50.0, "test": 50}}, {"left_out": None}, {"checksum": None}],
)
def test_odd_contents_are_made_again(config, contents):
    cache.load(config, Random())
    (path,) = cache.cache_dir(config).rglob("contents.json")
    if isinstance(contents, dict):
        contents = json.dumps({**json.loads(path.read_text()), **contents})
    path.write_text(contents)
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert source.decoded == 1


def test_a_cache_without_checksums_is_made_again_in_its_place(config):
    """As earlier versions wrote it."""
    cache.load(config, Random())
    (path,) = cache.cache_dir(config).rglob("contents.json")
    contents = json.loads(path.read_text())
    for name in ("checksum", "checksums", "levels"):
        del contents[name]
    path.write_text(json.dumps(contents))
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert source.decoded == 1
    assert len(files(config)) == 5


# Images that do not fit in memory.


@pytest.fixture
def from_file(config, monkeypatch):
    """A function that loads a source whose images are then read from their files."""

    def load(source):
        monkeypatch.setattr(cache, "free_memory", lambda: 0)
        return cache.load(config, source)

    return load


def mapped(images):
    """Whether images are read from a file when they are used."""
    while images is not None and not isinstance(images, np.memmap):
        images = getattr(images, "base", None)
    return images is not None


def test_what_does_not_fit_in_memory_is_read_as_needed_in_the_same_order(config, monkeypatch):
    source = Random(count=500)
    in_memory = cache.load(config, source)
    size = in_memory.train_images.nbytes + in_memory.test_images.nbytes
    monkeypatch.setattr(cache, "free_memory", lambda: 2 * size)
    assert "in memory" in cache.load(config, source).describe()
    monkeypatch.setattr(cache, "free_memory", lambda: 2 * size - 1)
    from_disk = cache.load(config, source)
    assert f"memory-mapped from {cache.cache_dir(config)}" in from_disk.describe()
    assert not mapped(in_memory.train_images)
    assert mapped(from_disk.train_images)
    assert source.decoded == 1
    assert_holds(from_disk, source)
    assert_same_batches(
        take(from_disk.batches(64, seed=3, first_step=5), 20),
        take(in_memory.batches(64, seed=3, first_step=5), 20),
    )
    assert from_disk.fingerprint() == in_memory.fingerprint()
    once, labels = from_disk.train_once(20)
    assert mapped(once)  # 60,000 of them may be more than there is room for
    np.testing.assert_array_equal(once, in_memory.train_images[:20])
    np.testing.assert_array_equal(labels, in_memory.train_labels[:20])


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_files_that_are_removed_meanwhile_do_no_harm(config, from_file):
    source = Random()
    dataset = from_file(source)
    shutil.rmtree(cache.cache_dir(config))
    assert_holds(dataset, source)


def test_files_that_are_cut_short_are_made_again_before_they_are_mapped(config, from_file):
    source = Random(count=300)
    from_file(source)
    (path,) = cache.cache_dir(config).rglob("*-train_images")
    os.truncate(path, path.stat().st_size // 2 + 5)
    assert_holds(from_file(source), source)
    assert source.decoded == 2


def test_a_disk_that_cannot_be_read(config, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(np, "fromfile", fail)
    with pytest.raises(CannotSave, match="cannot be read"):
        cache.load(config, Random())
    monkeypatch.undo()
    source = Random()
    assert_holds(cache.load(config, source), source)
    assert source.decoded == 0


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(cache, "CONTAINER_LIMIT", limit)
    host = cache.free_memory()
    assert host > 0
    limit.write_text("max\n")
    assert cache.free_memory() > 1000
    limit.write_text("1000\n")
    assert cache.free_memory() == 1000


def test_a_full_disk_is_said_beforehand(config, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UsageError, match=r"takes 0\.0 GB decoded, .* give another --cache_dir"):
        cache.load(config, Random())


def test_a_disk_that_fills_up(config, monkeypatch):
    def full(path, mode):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "open", full, raising=False)
    with pytest.raises(CannotSave, match=r"cannot be kept in .*kept \(No space left on device\)"):
        cache.load(config, Random())
    assert files(config) == []


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_cache(config):
    with pytest.raises(PermissionError):
        cache.load(config, Random(fail_after=PermissionError(13, "Permission denied")))


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    config = Config(dataset="folder:/faces", cache_dir=str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot be kept in"):
        cache.load(config, Random())


@pytest.mark.usefixtures("permissions_hold")
def test_a_cache_that_is_complete_need_not_be_writable(config):
    cache.load(config, Random())
    (folder,) = cache.cache_dir(config).iterdir()
    (folder / "lock").unlink()
    folder.chmod(0o500)
    source = Random()
    assert_holds(cache.load(config, source), source)
    folder.chmod(0o700)


def test_no_test_images(config):
    with pytest.raises(UsageError, match="has 0 train and 0 test images"):
        cache.load(config, Random(count=0))


def test_its_default_place(monkeypatch, tmp_path):
    assert cache.cache_dir(Config()) == tmp_path / "cache" / "acai_tf"  # tests/conftest.py
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_dir(Config()) == tmp_path / ".cache" / "acai_tf"


def test_contents_say_where_they_are_from(config):
    cache.load(config, Random())
    (path,) = [path for path in files(config) if path.name == "contents.json"]
    contents = json.loads(path.read_text())
    assert contents["name"] == "folder:/some/faces"
    assert contents["counts"] == {"train": 50, "test": 50}


def load_and_count(config, queue):
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    source = Random(count=2000)
    cache.load(config, source)
    queue.put(source.decoded)


@pytest.mark.slow
def test_two_processes_decode_once(config):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=load_and_count, args=(config, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(queue.get(timeout=60) for _ in processes) == [0, 1]
    for process in processes:
        process.join()
