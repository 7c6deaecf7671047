import collections
import contextlib
import itertools
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from acai_tf.config import Config
from acai_tf.data import DATASETS, canonical_name, images, load_dataset
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.lines import draw_lines, line_class
from acai_tf.errors import UsageError
from tests.reference import FOLDER


def take(batches, count):
    return list(itertools.islice(batches, count))


def assert_same_batches(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])


def small_dataset(count=10):
    pixels = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    labels = np.arange(count)
    return ArrayDataset("small", (1, 1, 1), count, pixels, labels, pixels, labels)


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
        load_dataset(Config(dataset="digits", batch=2000))


# Through tfds.


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("mnist", (32, 32, 1), 10),
        ("svhn", (32, 32, 3), 10),
        ("cifar10", (32, 32, 3), 10),
        ("celeba", (32, 32, 3), 1),
    ],
)
def test_tfds_datasets(name, shape, classes, monkeypatch):
    monkeypatch.setattr(
        images, "_prepared_builder", lambda tfds_name, data_dir: tfds.builder(tfds_name)
    )
    with mock_tfds(12):
        dataset = load_dataset(Config(dataset=name, batch=4))
    assert dataset.image_shape == shape
    assert dataset.classes == classes
    assert dataset.train_images.dtype == np.uint8
    assert len(dataset.train_images) == (24 if name == "svhn" else 12)  # train + extra
    assert len(dataset.test_images) == 12
    assert dataset.train_labels.max() < max(classes, 1)


@contextlib.contextmanager
def mock_tfds(count):
    with tfds.testing.mock_data(num_examples=count):
        yield


def test_mnist_is_padded_not_resized(monkeypatch):
    monkeypatch.setattr(
        images, "_prepared_builder", lambda tfds_name, data_dir: tfds.builder(tfds_name)
    )
    with mock_tfds(3):
        dataset = load_dataset(Config(dataset="mnist", batch=2))
        inner = next(
            iter(tfds.as_numpy(tfds.builder("mnist").as_dataset(split="test", batch_size=3)))
        )
    np.testing.assert_array_equal(dataset.test_images[:, 2:-2, 2:-2], inner["image"])
    border = dataset.test_images.copy()
    border[:, 2:-2, 2:-2] = 0
    assert not border.any()


def test_celeba_is_cropped_and_resized_by_tf1s_bicubic(monkeypatch):
    """Against the crop and Keys' cubic (a = -0.75, no antialiasing) worked out here."""
    prepared = {}

    def fake_load(name, tfds_name, config, train, test, classes, prepare):
        prepared["image"] = prepare(picture)

    picture = np.random.default_rng(0).integers(60, 200, (1, 218, 178, 3), dtype=np.uint8)
    monkeypatch.setattr(images, "_load", fake_load)
    images.celeba(Config(dataset="celeba"))
    assert prepared["image"].shape == (1, 32, 32, 3)
    face = picture[0, 36:-36, 16:-16].astype(np.float64)  # 146 x 146
    weights = bicubic(len(face), 32)
    expected = np.einsum("ih,hwc,jw->ijc", weights, face, weights)
    np.testing.assert_allclose(prepared["image"][0], np.clip(expected, 0, 255), atol=1.5)


def bicubic(size, small):
    """[small, size] weights of cubic interpolation at i * size / small."""

    def kernel(t):
        t, a = abs(t), -0.75
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0

    weights = np.zeros((small, size))
    for i in range(small):
        position = i * size / small
        for pixel in range(int(position) - 1, int(position) + 3):
            weights[i, min(max(pixel, 0), size - 1)] += kernel(position - pixel)
    return weights


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("mnist", ["train"], ["test"]), ("svhn", ["train", "extra"], ["test"])],
)
def test_which_splits_are_read(name, train, test, monkeypatch):
    monkeypatch.setattr(images, "_prepared_builder", lambda tfds_name, data_dir: None)
    read = []

    def fake_read(builder, splits, prepare):
        read.append(splits)
        return np.zeros((4, 32, 32, 1), np.uint8), np.zeros(4, np.int64)

    monkeypatch.setattr(images, "_read", fake_read)
    load_dataset(Config(dataset=name, batch=2))
    assert read == [train, test]


def test_missing_data_without_a_network_says_what_to_fetch_and_where_to(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_any_host_resolves", lambda urls: False)
    with pytest.raises(UsageError) as refused:
        load_dataset(Config(dataset="mnist", data_dir=str(tmp_path)))
    message = str(refused.value)
    assert "train-images-idx3-ubyte.gz" in message
    assert str(tmp_path / "downloads" / "manual") in message


def test_names():
    assert all(canonical_name(name) == name for name in DATASETS)
    with pytest.raises(UsageError, match="known: lines"):
        canonical_name("imagenet")
    counts = collections.Counter(canonical_name(f"{name}32") for name in DATASETS)
    assert max(counts.values()) == 1


def test_without_tensorflow_the_images_come_in_a_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # as if it were not installed
    with pytest.raises(UsageError, match=r"data\.npz mnist mnist\.npz .* --dataset=npz:mnist\.npz"):
        load_dataset(Config(dataset="mnist"))
