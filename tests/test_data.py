import collections
import itertools
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data import DATASETS, canonical_name, load_dataset, short_name
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.lines import draw_lines, line_class
from acai_tf.data.pipeline import pipeline
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.tools.data import main, summary
from tests.conftest import ROOT
from tests.reference import FOLDER


def take(batches, count):
    return list(itertools.islice(batches, count))


def assert_same_batches(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])


def small_dataset(count=10):
    pixels = np.arange(count).astype(np.uint8).reshape(count, 1, 1, 1)
    labels = np.arange(count)
    names = tuple(map(str, labels))
    return ArrayDataset("small", (1, 1, 1), names, pixels, labels, pixels, labels)


# Lines.


def test_lines_equal_the_originals():
    reference = np.load(FOLDER / "evaluation.npz")
    np.testing.assert_allclose(draw_lines(reference["angles"]), reference["lines"], atol=1e-6)


def test_lines_turn_with_their_angle():
    """A quarter turn of the angle is a quarter turn of the picture, up to the pixel grid."""
    assert draw_lines([0.0])[0, 15:17, 17:31].mean() == pytest.approx(1)  # to the right
    assert draw_lines([np.pi])[0, 15:17, 2:15].mean() == pytest.approx(1)  # to the left
    assert draw_lines([np.pi / 2])[0, 2:15, 15:17].mean() == pytest.approx(1)  # up
    assert draw_lines([1.0]).min() == -1
    assert draw_lines([1.0]).max() == 1


def test_line_classes_are_tenths_of_the_circle():
    assert line_class(np.array([0.0, 0.7, np.pi, 6.28])).tolist() == [0, 1, 5, 9]


@pytest.mark.parametrize("name", ["lines", "digits"])
def test_batches_are_a_function_of_seed_and_step(name):
    dataset = load_dataset(Config(dataset=name))
    unbroken = take(dataset.batches(16, seed=1), 100)
    assert_same_batches(take(dataset.batches(16, seed=1, first_step=93), 7), unbroken[93:])
    other = take(dataset.batches(16, seed=2), 1)
    assert not np.array_equal(other[0]["image"], unbroken[0]["image"])


@pytest.mark.parametrize("name", ["lines", "digits"])
def test_embedded_datasets(name):
    dataset = load_dataset(Config(dataset=name))
    assert dataset.test_images.shape == (len(dataset.test_labels), *dataset.image_shape)
    assert set(dataset.test_labels) == set(range(dataset.classes))
    batch = next(dataset.batches(8, seed=0))
    assert batch["image"].shape == (8, *dataset.image_shape)
    assert batch["image"].dtype == dataset.test_images.dtype
    once, labels = dataset.train_once(20)
    assert repr(dataset) == f"<{dataset.describe()}>"  # not all of its pixels
    assert once.shape == (20, *dataset.image_shape)
    assert labels.shape == (20,)


def test_digits_are_where_their_labels_say():
    """The enlarged images still hold the 8x8 originals, in order."""
    from sklearn.datasets import load_digits

    dataset = load_dataset(Config(dataset="digits"))
    shrunk = dataset.train_images.reshape(-1, 8, 4, 8, 4).mean((2, 4))
    original = load_digits().images[: len(shrunk)] * (255 / 16)
    correlation = np.corrcoef(shrunk.ravel(), original.ravel())[0, 1]
    assert correlation > 0.95
    np.testing.assert_array_equal(dataset.train_labels, load_digits().target[: len(shrunk)])


# Arrays.


def test_every_epoch_shows_every_image_once_in_an_order_of_its_own():
    batches = take(small_dataset().batches(4, seed=0), 10)  # 40 images: 4 epochs
    seen = np.concatenate([batch["image"].ravel() for batch in batches]).reshape(4, 10)
    for epoch in seen:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in seen}) == 4


@pytest.mark.parametrize("batch", [1, 3, 5, 10])
def test_a_resumed_order_is_the_unbroken_one(batch):
    dataset = small_dataset()
    unbroken = take(dataset.batches(batch, seed=3), 30)
    for first in (1, 10, 17):
        resumed = take(dataset.batches(batch, seed=3, first_step=first), 30 - first)
        assert_same_batches(resumed, unbroken[first:])


def test_images_keep_their_labels():
    for batch in take(small_dataset().batches(4, seed=0), 10):
        np.testing.assert_array_equal(batch["image"].ravel(), batch["label"])


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UsageError, match="--batch=2000 is larger than the 1437"):
        load_dataset(Config(dataset="digits")).check_batch(2000)


# As `fit` gets them.


@pytest.mark.parametrize("name", ["lines", "digits"])
def test_the_pipeline_gives_the_batches_in_their_order(name):
    config = Config(dataset=name, batch=16, seed=3)
    dataset = load_dataset(config)
    batches = [
        {key: np.asarray(value) for key, value in (b[0] if isinstance(b, tuple) else b).items()}
        for b in take(iter(pipeline(dataset, config, first_step=85)), 40)
    ]
    assert_same_batches(batches, take(dataset.batches(16, seed=3, first_step=85), 40))


SLOW_DRAWS = """
import sys, time
import numpy as np
from acai_tf.config import Config
from acai_tf.data import load_dataset, pipeline
dataset = load_dataset(Config(dataset="digits"))
whole = type(dataset).batch_at
def slow(*arguments, **named):
    time.sleep(0.2)
    return whole(*arguments, **named)
type(dataset).batch_at = slow
batches = iter(pipeline.pipeline(dataset, Config(batch=4), 0))
next(batches)
"""


def test_python_ends_while_batches_are_drawn():
    """As after an interruption whose traceback holds the iterator; each draw takes 0.2 s."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", SLOW_DRAWS], env=environment, check=True, timeout=60)


# Names and settings.


def test_names():
    assert all(canonical_name(name) == name for name in DATASETS)
    with pytest.raises(UsageError, match="known: lines"):
        canonical_name("imagenet")
    counts = collections.Counter(canonical_name(f"{name}32") for name in DATASETS)
    assert max(counts.values()) == 1


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("mnist", "mnist"),
        ("npz:/data/faces.v2.npz", "faces.v2"),
        ("folder:/data/my faces.v2", "my-faces.v2"),
        ("folder:/", "folder-"),
        ("tfds:imagenet_resized/32x32", "imagenet_resized-32x32"),
        (f"folder:/{'x' * 255}", "x" * 100),
        (f"folder:/x{'é' * 127}", "x" + "é" * 49),  # two bytes each
    ],
)
def test_a_name_that_a_folder_can_have(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("mnist", {"svhn_extra": False}, "mnist does not read --svhn_extra"),
        ("lines", {"image_size": 64}, "lines does not read --image_size"),
        ("npz:x.npz", {"image_size": 64}, "does not read --image_size"),
    ],
)
def test_settings_that_a_dataset_does_not_read_are_refused(name, settings, says):
    with pytest.raises(UsageError, match=says):
        load_dataset(Config(dataset=name, **settings))


def test_digits_of_another_size():
    dataset = load_dataset(Config(dataset="digits", image_size=48))
    assert dataset.image_shape == (48, 48, 1)
    assert dataset.test_images.shape == (360, 48, 48, 1)


def test_a_fingerprint_tells_images_apart():
    dataset = small_dataset(1000)
    same = small_dataset(1000)
    assert same.fingerprint() == dataset.fingerprint()
    assert small_dataset(999).fingerprint() != dataset.fingerprint()
    same.train_labels[500] += 1
    assert same.fingerprint() != dataset.fingerprint()


# The command.


def test_the_command_counts_and_draws(monkeypatch, capsys, tmp_path):
    sheet = tmp_path / "digits.png"
    monkeypatch.setattr("sys.argv", ["data", "digits", "--image_size=16", f"--sheet={sheet}"])
    main()
    out = capsys.readouterr().out
    assert "digits: 1,437 training and 360 test images of 16x16x1, 10 classes, in memory" in out
    assert "training images: uint8, 0 to 255, mean" in out
    assert "  0: 143, 35" in out  # of scikit-learn's 178 noughts
    first = load_dataset(Config(dataset="digits", image_size=16)).train_images[0, ..., 0]
    drawn = np.asarray(Image.open(sheet))
    assert drawn.shape == (256, 256)
    np.testing.assert_array_equal(drawn[:16, :16], first)
    with pytest.raises(UsageError, match=r"digits\.png exists"):
        main()


def test_the_command_on_lines(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["data", "lines"])
    main()
    out = capsys.readouterr().out
    assert "test images: float32, -1 to 1" in out
    (sheet,) = (tmp_path / "cache" / "acai_tf" / "samples").iterdir()
    assert sheet.name == "lines-32-lines.png"


def test_the_command_on_text(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "animals.txt").write_text("\n".join(f"a {'b ' * n}c" for n in range(1, 21)))
    words = ["data", "text:animals.txt", "--tokens=words", "--length=24"]
    monkeypatch.setattr("sys.argv", words)
    main()
    out = capsys.readouterr().out
    assert "training sentences: 18, mean length" in out
    assert "words, 0.00% of them unknown" in out
    assert "most frequent: 'b' " in out
    assert re.search(r"sentences:(\n  a (b )+c){5}\n", out)
    monkeypatch.setattr("sys.argv", [*words, "--sheet=a.png"])
    with pytest.raises(UsageError, match="has tokens"):
        main()


def test_unknown_tokens_are_counted_without_padding():
    vocabulary = Vocabulary.of(["a a b"], words=True)
    tokens = vocabulary.encode(["a b", "c a", "b b"], 4)
    dataset = ArrayDataset(
        "text", (4,), (), tokens, np.zeros(3, int), tokens, np.zeros(3, int), vocabulary=vocabulary
    )
    lines = summary(dataset).splitlines()
    assert lines[1] == "test sentences: 3, mean length 2.0 words, 16.67% of them unknown"
    assert lines[2] == "most frequent: 'b' 50.0%, 'a' 33.3%, '\ufffd' 16.7%"


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "arguments are required: dataset"),
        (["digits", "--image_size=x"], "--image_size: invalid int value: 'x'"),
        (["digits", "--svhn_extra=maybe"], "--svhn_extra"),
        (["digits", "--svhn_extra=false"], "digits does not read --svhn_extra"),
        (["mnist", "--background=red"], "mnist does not read --background"),
        (["folder:pictures", "--background=rgb(0,0,400)"], "a color"),
        (["npz:pipe"], "no file"),
        (["npz:pictures"], "no file"),
        (["folder:pipe"], "Not a directory"),
        ([f"npz:{LONG}"], "no file"),
        ([f"folder:{LONG}"], "File name too long"),
        ([f"tfds:{LONG}"], "tfds"),
        (["folder:pictures", f"--cache_dir={LONG}"], "File name too long"),
        (["folder:pictures", "--cache_dir=text"], "--cache_dir"),
        (["folder:pictures", "--cache_dir=~nosuchuser/cache"], "home"),
        (["digits", f"--sheet={LONG}"], "File name too long"),
        (["digits", "--npz=none/digits.npz"], "no folder"),
        (["digits", "--npz=one", "--sheet=./one"], "two names"),
    ],
)
def test_bad_words_for_the_command(words, says, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").touch()
    (tmp_path / "pictures").mkdir()
    for n in range(4):
        Image.new("RGB", (9, 9), (n, n, n)).save(tmp_path / "pictures" / f"{n}.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("sys.argv", ["data", *words])
    assert cli.run(main) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert says in err
    assert err.count("\n") == 1


def test_the_range_of_values_is_of_all_images():
    lines = summary(small_dataset(250)).splitlines()
    expected = np.arange(250)
    assert lines[0] == (
        f"training images: uint8, 0 to 249, mean {expected.mean():g},"
        f" standard deviation {expected.std():.4g}"
    )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
def test_nothing_waits_for_tf_datas_tuner():
    """It sleeps for as long as it has slept before; iterators end no sooner than it wakes."""
    batches = pipeline(load_dataset(Config()), Config(), 0)
    assert batches.options().autotune.enabled is False
