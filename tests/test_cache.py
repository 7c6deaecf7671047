"""Images decoded once, and kept."""

import concurrent.futures
import dataclasses
import errno
import gc
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.data import cache, npz
from acai_tf.data import source as sources
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.rows import Rows
from acai_tf.data.source import SPLITS, Decoded, Source
from acai_tf.errors import CannotSave, DataLost, UsageError
from acai_tf.evaluation import (
    figures,
    linear,
    neighbours,
    realism,
    reconstruction,
    robustness,
    run,
    similarity,
    target,
)
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels
from acai_tf.tools.data import samples, summary
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

    def decode(self, writer):
        self.decoded += 1
        writer.expect(2 * self.count, SHAPE)
        for split in SPLITS:
            images, labels = self.images(split)
            for start in range(0, self.count, 20):
                if split == "test" and self.fail_after is not None:
                    raise self.fail_after
                writer.add(split, images[start : start + 20], labels[start : start + 20])
                writer.advance(20)
                if split == "test" and self.hang:
                    print("hanging", flush=True)
                    time.sleep(60)
        return Decoded(SHAPE, ("a", "b", "c"), {"version": self.version}, ["bad.png"])


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
    monkeypatch.setattr(Random, "recipe", {"size": 64})
    cache.load(config, source)
    assert source.decoded == 2
    assert len(list(cache.cache_dir(config).iterdir())) == 2


@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt(), UsageError("no")])
def test_a_decoding_that_failed_is_never_used_and_leaves_nothing(config, error):
    with pytest.raises(type(error)):
        cache.load(config, Random(fail_after=error))
    assert files(config) == []
    source = Random()
    assert_holds(cache.load(config, source), source)


def test_a_decoding_that_failed_leaves_what_was_there(config):
    cache.load(config, Random())
    with pytest.raises(KeyboardInterrupt):
        cache.load(config, Random(version=1, fail_after=KeyboardInterrupt()))
    old = Random()
    assert_holds(cache.load(config, old), old)
    assert old.decoded == 0


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


def test_what_does_not_fit_in_memory_is_read_as_needed_in_the_same_order(config, monkeypatch):
    source = Random(count=500)
    in_memory = cache.load(config, source)
    size = in_memory.train_images.nbytes + in_memory.test_images.nbytes
    monkeypatch.setattr(cache, "free_memory", lambda: 2 * size)
    assert "in memory" in cache.load(config, source).describe()
    monkeypatch.setattr(cache, "free_memory", lambda: 2 * size - 1)
    from_disk = cache.load(config, source)
    assert f"read from {cache.cache_dir(config)}" in from_disk.describe()
    assert isinstance(in_memory.train_images, np.ndarray)
    assert isinstance(from_disk.train_images, Rows)
    assert source.decoded == 1
    assert_holds(from_disk, source)
    assert_same_batches(
        take(from_disk.batches(64, seed=3, first_step=5), 20),
        take(in_memory.batches(64, seed=3, first_step=5), 20),
    )
    assert from_disk.fingerprint() == in_memory.fingerprint()
    once, labels = from_disk.train_once(20)
    assert isinstance(once, Rows)  # 60,000 of them may be more than there is room for
    np.testing.assert_array_equal(once, in_memory.train_images[:20])
    np.testing.assert_array_equal(labels, in_memory.train_labels[:20])


def test_whatever_looks_at_images_takes_those_in_files(from_file, tmp_path):
    source = Random(count=90)
    dataset = from_file(source)
    images = {f"{split}_images": source.images(split)[0] for split in SPLITS}
    arrays = dataclasses.replace(dataset, **images)
    for look in (
        summary,
        samples,
        target._images,
        lambda data: figures.sheets(Maker(SHAPE), data.test_images),
        *(
            lambda data, evaluate=evaluator.evaluate: evaluate(Context(Pixels(SHAPE), data))
            for evaluator in (linear, neighbours, realism, reconstruction, robustness, similarity)
        ),
    ):
        np.testing.assert_equal(look(dataset), look(arrays))
    npz.save(dataset, tmp_path / "images.npz")
    with np.load(tmp_path / "images.npz") as saved:
        for name, values in images.items():
            np.testing.assert_array_equal(saved[name], values)


class Maker(Pixels):
    """Raw pixels, of which sheets can be made."""

    def compiled_method(self, verb, **options):
        same = super().compiled_method(verb, **options)
        return np.asarray if verb == "decode" else same


def images_file(folder, count=40, shape=(4, 4, 3)):
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    images.tofile(folder / "images")
    return images, Rows(folder / "images", images.shape)


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_rows_are_indexed_as_arrays_are(tmp_path, monkeypatch, system):
    if system == "windows":
        monkeypatch.delattr(os, "preadv", raising=False)
    images, rows = images_file(tmp_path)
    for name in ("shape", "ndim", "size", "nbytes", "dtype"):
        assert getattr(rows, name) == getattr(images, name)
    assert len(rows) == len(images)
    keys = [0, -1, np.int64(7), slice(None), slice(5, 9), slice(-3, None), slice(None, 99)]
    keys += [slice(1, 30, 7), slice(None, None, -1), slice(9, 9), [3, 4, 5, 3, 0], []]
    keys += [np.arange(40) % 3 == 0, np.array([[1, 2], [39, 0]]), None]
    for part, same in (
        (rows, images),
        (rows.between(5, 30), images[5:30]),
        (rows.between(5, 30).between(2, 99), images[7:30]),
    ):
        for key in keys:
            if isinstance(key, np.ndarray):
                key = key[: len(part)] if key.dtype == bool else key % len(part)
            np.testing.assert_array_equal(part[key], same[key], strict=True)
        indices = np.random.default_rng(1).permutation(len(part))[:9]
        np.testing.assert_array_equal(part.take(indices, 0), same.take(indices, 0), strict=True)
        np.testing.assert_array_equal(np.asarray(part), same, strict=True)
        np.testing.assert_array_equal(np.asarray(part, np.float32), same.astype(np.float32))
        np.testing.assert_array_equal(np.stack(list(part)), same)
    assert isinstance(rows[3:5], np.ndarray)
    for wrong in (40, -41, [40]):
        with pytest.raises(IndexError):
            rows[wrong]
    with pytest.raises(IndexError):
        rows.take([40])
    with pytest.raises(ValueError, match="axis 0, not 1"):
        rows.take([0], axis=1)


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_threads_read_at_a_time(tmp_path, monkeypatch, system):
    if system == "windows":
        monkeypatch.delattr(os, "preadv", raising=False)
    images, rows = images_file(tmp_path, count=500)

    def read(seed):
        indices = np.random.default_rng(seed).integers(0, 500, 64)
        return np.array_equal(rows.take(indices), images[indices])

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(400)))


def test_a_read_that_stops_halfway_goes_on(tmp_path, monkeypatch):
    images, rows = images_file(tmp_path)
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda n, views, at: whole(n, [views[0][:7]], at))
    np.testing.assert_array_equal(rows, images)


def test_a_file_is_closed_when_nothing_uses_it(tmp_path):
    images, rows = images_file(tmp_path)
    file = rows._file._file
    part = rows.between(3, 9)
    del rows
    gc.collect()
    np.testing.assert_array_equal(part, images[3:9])
    del part
    gc.collect()
    assert file.closed


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_files_that_are_removed_meanwhile_do_no_harm(config, from_file):
    source = Random()
    dataset = from_file(source)
    shutil.rmtree(cache.cache_dir(config))
    assert_holds(dataset, source)


def test_a_file_that_is_cut_short_meanwhile_is_said_and_made_again(config, from_file):
    source = Random(count=300)
    dataset = from_file(source)
    (path,) = cache.cache_dir(config).rglob("*-train_images")
    os.truncate(path, path.stat().st_size // 2 + 5)
    says = f"^{re.escape(str(path))} was cut short; run the same command again: images are decoded"
    with pytest.raises(DataLost, match=says) as caught:
        take(dataset.batches(64, seed=0), 2)
    assert caught.value.exit_status == 74
    with pytest.raises(DataLost):
        dataset.train_images[150]
    np.testing.assert_array_equal(dataset.train_images[:150], source.images("train")[0][:150])
    assert_holds(from_file(source), source)
    assert source.decoded == 2


@pytest.mark.parametrize("where", ["files", "memory"])
def test_a_disk_that_fails_is_said(config, monkeypatch, where):
    source = Random()
    cache.load(config, source)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    if where == "files":
        monkeypatch.setattr(cache, "free_memory", lambda: 0)
    says = r"-t\w+_images cannot be read \(Input/output error\); remove it and run the same"
    with pytest.raises(DataLost, match=says) as caught:
        cache.load(config, source).fingerprint()
    monkeypatch.undo()
    pathlib.Path(str(caught.value).partition(" cannot")[0]).unlink()
    assert_holds(cache.load(config, source), source)
    assert source.decoded == (2 if where == "files" else 3)


def test_an_evaluation_without_its_images_ends(config, from_file):
    dataset = from_file(Random())
    (path,) = cache.cache_dir(config).rglob("*-test_images")
    os.truncate(path, 0)
    with pytest.raises(DataLost):  # not a traceback an evaluator
        run._measure("reconstruction", Context(Pixels(SHAPE), dataset), {}, results=None)


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

    monkeypatch.setattr(sources, "open", full, raising=False)
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
