"""Images through tensorflow-datasets."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from acai_tf.config import Config
from acai_tf.data import images as images_of_tfds
from acai_tf.data import load_dataset
from acai_tf.data.images import TfdsSource
from acai_tf.errors import UsageError
from tests.conftest import ROOT

DATA = pathlib.Path(os.environ.get("ACAI_DATA_DIR", "/nowhere"))


def needs(folder):
    """Skips a test where ACAI_DATA_DIR, tfds' folder, has no such one in or beside it."""
    return pytest.mark.skipif(not (DATA / folder).exists(), reason=f"no {folder} in ACAI_DATA_DIR")


CIFAR_SIZE = (32, 32, 3)


class Fake:
    """A dataset of tfds with examples of our own: the builder is tfds', and so are its files."""

    def __init__(self, monkeypatch, folder):
        self._monkeypatch, self._folder = monkeypatch, folder
        monkeypatch.setattr(images_of_tfds, "_any_host_resolves", lambda urls: True)

    def builder(self, tfds_name):
        return tfds.builder(tfds_name, data_dir=str(self._folder))

    def prepare(self, tfds_name, **splits):
        """Prepare its splits, each a list of examples."""
        builder = self.builder(tfds_name)

        def generators(self, *arguments):
            return {name: enumerate(examples) for name, examples in splits.items()}

        self._monkeypatch.setattr(type(builder), "_split_generators", generators)
        builder.download_and_prepare()

    def load(self, name, **settings):
        return load_dataset(Config(dataset=name, batch=1, data_dir=str(self._folder), **settings))


@pytest.fixture
def fake(monkeypatch, tmp_path):
    return Fake(monkeypatch, tmp_path / "tfds")


def examples(count, shape, seed=0, **others):
    """Examples {"image": random, "label": 0, 1, ... 9, 0, ...}."""
    rng = np.random.default_rng(seed)
    return [
        {"image": rng.integers(0, 256, shape, np.uint8), "label": n % 10, **others}
        for n in range(count)
    ]


def faces(count):
    """Examples as CelebA has them."""
    features = tfds.builder("celeb_a").info.features
    empty = {"attributes": False, "landmarks": 0, "identity": 0}
    others = {
        name: dict.fromkeys(features[name], value)
        for name, value in empty.items()
        if name in features  # older versions know no identity
    }
    found = examples(count, (218, 178, 3), **others)
    return [{name: face[name] for name in features} for face in found]


def assert_same_images(left, right):
    """In whatever order: tfds shuffles what it prepares."""
    assert sorted(i.tobytes() for i in left) == sorted(np.asarray(i).tobytes() for i in right)


def test_mnist_is_padded_not_resized(fake):
    digits = examples(12, (28, 28, 1))
    fake.prepare("mnist", train=digits, test=examples(11, (28, 28, 1), seed=1))
    dataset = fake.load("mnist")
    assert dataset.train_images.shape == (12, 32, 32, 1)
    assert dataset.test_images.shape == (11, 32, 32, 1)
    assert dataset.class_names == tuple("0123456789")
    images = dataset.train_images
    assert_same_images(images[:, 2:-2, 2:-2], [digit["image"] for digit in digits])
    border = images.copy()
    border[:, 2:-2, 2:-2] = 0
    assert not border.any()
    of = {digit["image"].tobytes(): digit["label"] for digit in digits}
    inner = np.ascontiguousarray(images[:, 2:-2, 2:-2])
    assert [of[image.tobytes()] for image in inner] == dataset.train_labels.tolist()
    assert fake.load("mnist", image_size=16).train_images.shape == (12, 16, 16, 1)


def test_svhn_is_train_and_extra_as_they_are(fake):
    train, extra = examples(8, CIFAR_SIZE, id=""), examples(9, CIFAR_SIZE, seed=1, id="")
    fake.prepare(
        "svhn_cropped", train=train, extra=extra, test=examples(7, CIFAR_SIZE, seed=2, id="")
    )
    dataset = fake.load("svhn")
    assert dataset.image_shape == CIFAR_SIZE
    assert dataset.classes == 10
    assert len(dataset.test_images) == 7
    assert_same_images(dataset.train_images[:8], [example["image"] for example in train])
    assert_same_images(dataset.train_images[8:], [example["image"] for example in extra])
    alone = fake.load("svhn", svhn_extra=False)
    np.testing.assert_array_equal(alone.train_images, dataset.train_images[:8])


def test_cifar10_as_it_is_and_halved(fake):
    train = examples(5, CIFAR_SIZE, id="0")
    fake.prepare("cifar10", train=train, test=train)
    dataset = fake.load("cifar10")
    assert_same_images(dataset.train_images, [example["image"] for example in train])
    assert dataset.classes == 10
    halved = fake.load("cifar10", image_size=16).train_images
    four = dataset.train_images.reshape(5, 16, 2, 16, 2, 3).mean((2, 4))
    assert halved.shape == (5, 16, 16, 3)
    assert np.abs(halved - four).max() <= 1  # Pillow rounds after rows and after columns


def test_celeba_is_cropped_and_resized_by_tf1s_bicubic(fake):
    """Against the crop and Keys' cubic (a = -0.75, no antialiasing) worked out here."""
    found = faces(1)
    fake.prepare("celeb_a", train=found, test=found)
    (kept,) = tfds.as_numpy(fake.builder("celeb_a").as_dataset(split="train"))  # as a JPEG
    face = kept["image"][36:-36, 16:-16].astype(np.float64)
    assert face.shape == (146, 146, 3)
    for size in (32, 64):
        dataset = fake.load("celeba", image_size=size)
        assert dataset.classes == 1
        weights = bicubic(146, size)
        expected = np.einsum("ih,hwc,jw->ijc", weights, face, weights)
        # TF1 rounds the position of a pixel to a 1,024th, and we round the result.
        assert np.abs(dataset.train_images[0] - np.clip(expected, 0, 255)).max() < 1.5


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


def test_any_dataset_of_tfds(fake):
    """Photographs of any size, and no test split: one in ten is kept for it."""
    rng = np.random.default_rng(0)
    photographs = [
        {
            "image": np.full((*rng.integers(20, 60, 2), 3), 5 * n, np.uint8),
            "image/filename": f"{n}.jpg",
            "label": n % 2,
        }
        for n in range(40)
    ]
    fake.prepare("cats_vs_dogs", train=photographs)
    dataset = fake.load("tfds:cats_vs_dogs", image_size=16)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train_images.shape == (36, 16, 16, 3)
    assert dataset.test_images.shape == (4, 16, 16, 3)
    levels = np.concatenate([dataset.train_images, dataset.test_images])[:, 8, 8, 0]
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    order = np.argsort(levels)
    assert np.abs(levels[order].astype(int) - 5 * np.arange(40)).max() <= 2  # through a JPEG
    np.testing.assert_array_equal(labels[order], np.arange(40) % 2)


def test_transparent_images_of_tfds():
    white, blue = (
        TfdsSource(Config(dataset="tfds:icons", background=color, data_dir="/tfds"), "icons")
        for color in ("#fff", "blue")
    )
    clear = np.zeros((2, 32, 32, 4), np.uint8)
    assert (white.squares(clear, 3) == 255).all()
    assert (blue.squares(clear, 3) == [0, 0, 255]).all()


def test_a_test_split_without_labels(fake):
    unlabelled = [{**example, "label": -1} for example in examples(3, (28, 28, 1))]
    fake.prepare("fashion_mnist", train=examples(6, (28, 28, 1)), test=unlabelled)
    dataset = fake.load("tfds:fashion_mnist")
    assert dataset.image_shape == (32, 32, 1)
    assert dataset.classes == 1
    assert not dataset.train_labels.any()
    assert not dataset.test_labels.any()


def test_a_dataset_without_a_training_split(fake):
    fake.prepare("fashion_mnist", test=examples(3, (28, 28, 1)))
    with pytest.raises(UsageError, match="tfds:fashion_mnist has no train split; it has: test"):
        fake.load("tfds:fashion_mnist")


def test_what_is_no_dataset_of_images_is_refused(fake):
    with pytest.raises(UsageError, match="no dataset 'fashion_mnits'; did you mean fashion_mnist"):
        fake.load("tfds:fashion_mnits")
    with pytest.raises(UsageError, match="tfds cannot read 'glue/none'"):
        fake.load("tfds:glue/none")
    flower = {"features": np.zeros(4, np.float32), "label": 0}
    fake.prepare("iris", train=[flower])
    with pytest.raises(UsageError, match=r"iris has no feature that is .* it has: features, label"):
        fake.load("tfds:iris")


@pytest.mark.parametrize("damage", ["cut", "flipped", "removed"])
def test_damaged_files_of_tfds(damage, fake, tmp_path):
    digits = examples(20, (28, 28, 1))
    fake.prepare("mnist", train=digits, test=digits)
    (file,) = tmp_path.rglob("mnist-train.tfrecord*")
    content = bytearray(file.read_bytes())
    content[1000] ^= 255
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flipped" else content[:1000])
    with pytest.raises(UsageError, match=r"mnist/3\.0\.1 are damaged \(.*\); remove that folder"):
        fake.load("mnist")
    assert not list(tmp_path.rglob("contents.json"))


def test_files_of_another_dataset_do_not_pass_for_fetched(tmp_path, monkeypatch):
    by_hand = tmp_path / "downloads" / "manual"
    by_hand.mkdir(parents=True)
    (by_hand / "train-images-idx3-ubyte.gz").write_bytes(b"of MNIST")
    monkeypatch.setattr(images_of_tfds, "_any_host_resolves", lambda urls: False)
    for name in ("svhn", "mnist"):
        with pytest.raises(UsageError, match="there is no network; fetch"):
            load_dataset(Config(dataset=name, data_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mnist", ["mnist/train-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"]),
        ("svhn", ["http://ufldl.stanford.edu/housenumbers/extra_32x32.mat"]),
        ("cifar10", ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]),
        ("celeba", ["drive.google.com", "(as img_align_celeba.zip)"]),
        ("tfds:imagenet2012", ["ILSVRC2012_img_train.tar"]),
    ],
)
def test_missing_data_without_a_network(name, says, tmp_path, monkeypatch):
    """What to fetch, and where to put it."""
    monkeypatch.setattr(images_of_tfds, "_any_host_resolves", lambda urls: False)
    with pytest.raises(UsageError) as refused:
        load_dataset(Config(dataset=name, data_dir=str(tmp_path / "tfds")))
    for words in [*says, str(tmp_path / "tfds" / "downloads" / "manual")]:
        assert words in str(refused.value)
    assert not list(tmp_path.rglob("contents.json"))


def test_without_tensorflow_the_images_come_in_a_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # as if it were not installed
    with pytest.raises(UsageError, match=r"data mnist --npz=mnist\.npz .*npz:mnist\.npz"):
        load_dataset(Config(dataset="mnist"))


def test_decoded_images_need_no_tfds(fake, monkeypatch):
    fake.prepare("mnist", train=examples(5, (28, 28, 1)), test=examples(4, (28, 28, 1)))
    first = fake.load("mnist")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    np.testing.assert_array_equal(fake.load("mnist").train_images, first.train_images)


def test_data_prepared_anew_are_decoded_anew(fake, tmp_path):
    few, more = examples(4, (28, 28, 1)), examples(5, (28, 28, 1))
    fake.prepare("mnist", train=few, test=few)
    assert len(fake.load("mnist").train_images) == 4
    shutil.rmtree(tmp_path / "tfds" / "mnist")
    assert len(fake.load("mnist").train_images) == 4  # removed to save room: what there is
    fake.prepare("mnist", train=more, test=few)
    assert len(fake.load("mnist").train_images) == 5


# The real files.


@pytest.mark.slow
@needs("mnist/3.0.1")
@needs("../mnist_original")
def test_real_mnist_is_the_official_files():
    import gzip

    dataset = load_dataset(Config(dataset="mnist", data_dir=str(DATA)))
    official = DATA.parent / "mnist_original"
    with gzip.open(official / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)
    with gzip.open(official / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    ours = {image.tobytes() + bytes([label]) for image, label in cropped(dataset)}
    theirs = {i.tobytes() + bytes([n]) for i, n in zip(images, labels, strict=True)}
    assert len(theirs) > 9_990
    assert ours == theirs  # tfds shuffles them


def cropped(dataset):
    inner = np.ascontiguousarray(dataset.test_images[:, 2:-2, 2:-2, 0])
    return zip(inner, dataset.test_labels.astype(np.uint8), strict=True)


@pytest.mark.slow
@needs("cifar10/3.0.2")
def test_real_cifar10():
    dataset = load_dataset(Config(dataset="cifar10", data_dir=str(DATA)))
    assert dataset.train_images.shape == (50_000, 32, 32, 3)
    assert np.bincount(dataset.train_labels).tolist() == [5000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    # The means that everyone normalises CIFAR-10 by.
    means = dataset.train_images.mean((0, 1, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=2e-4)


@pytest.mark.slow
@needs("../svhn_sample")
def test_real_svhn():
    """A sample of it: its labels are 0 to 9, and extra adds to train."""
    sample = str(DATA.parent / "svhn_sample" / "tfds")
    dataset = load_dataset(Config(dataset="svhn", data_dir=sample))
    alone = load_dataset(Config(dataset="svhn", data_dir=sample, svhn_extra=False))
    assert (len(dataset.train_images), len(alone.train_images)) == (564, 464)
    np.testing.assert_array_equal(dataset.train_images[:464], alone.train_images)
    assert dataset.test_images.shape == (486, 32, 32, 3)
    assert set(dataset.test_labels) == set(range(10))


@pytest.mark.slow
@needs("../mnist_original")
def test_a_preparation_that_was_killed_is_begun_again(tmp_path):
    """From MNIST's official files, put where the error message says; killed while tfds writes."""
    by_hand = tmp_path / "downloads" / "manual"
    by_hand.mkdir(parents=True)
    for file in (DATA.parent / "mnist_original").iterdir():
        (by_hand / file.name).symlink_to(file)
    command = [sys.executable, "-m", "acai_tf", "data", "mnist", f"--data_dir={tmp_path}"]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.Popen(command, env=where, start_new_session=True)
    while not list(tmp_path.rglob("*incomplete*/*tfrecord*")) and killed.poll() is None:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "mnist" / "3.0.1").exists()
    done = subprocess.run(command, env=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "60,000 training and 10,000 test images" in done.stdout
    assert "  9: 5,949, 1,009" in done.stdout
