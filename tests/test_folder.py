"""A folder of pictures as a dataset."""

import os
import re
import socket

import numpy as np
import pytest
from PIL import Image

from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.square import WHITE, middle
from acai_tf.errors import UsageError
from acai_tf.evaluation import figures
from acai_tf.evaluation.run import evaluate_run
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import train


def picture(path, level=0, size=(40, 30), mode="RGB", **save):
    """A picture of one level, made at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = level if mode in ("L", "1") else (level,) * len(mode)
    Image.new(mode, size, color).save(path, **save)


def square(image, size, colors, background=WHITE):
    return middle(image, (size, size, colors), background)


def load(root, **settings):
    return load_dataset(Config(dataset=f"folder:{root}", batch=1, **settings))


def levels(images):
    """The level of each picture."""
    assert (images == images[:, :1, :1]).all()
    return sorted(images[:, 0, 0, 0].tolist())


# One picture.


def test_the_middle_square_and_the_mean_of_each_area():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)
    image = square(Image.fromarray(pixels), 16, 3)
    means = pixels[:, 18:82].reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert image.shape == (16, 16, 3)
    assert np.abs(image - means).max() <= 1  # Pillow rounds after rows and after columns
    turned = square(Image.fromarray(pixels.transpose(1, 0, 2)), 16, 3).transpose(1, 0, 2)
    assert np.abs(turned - means).max() <= 1


def test_a_picture_of_that_size_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 16, 3), pixels)


def test_enlarging_blends_neighbours():
    pixels = np.zeros((2, 2), np.uint8)
    pixels[:, 1] = 255
    row = square(Image.fromarray(pixels), 16, 1)[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert len(set(row)) > 4


def test_colors_and_depths():
    grey = Image.fromarray(np.full((16, 16), 100, np.uint8))
    assert (square(grey, 16, 3) == 100).all()
    assert (square(Image.new("RGB", (16, 16), (255, 0, 0)), 16, 1) == 76).all()  # 0.299 of red
    assert (square(grey.convert("P"), 16, 3) == 100).all()
    deep = Image.fromarray(np.full((16, 16), 0x8080, np.uint16))
    assert (square(deep, 16, 1) == 0x80).all()
    assert (square(Image.new("1", (16, 16), 1), 16, 1) == 255).all()
    with pytest.raises(ValueError, match="fractions"):
        square(Image.new("F", (16, 16)), 16, 1)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "PA", "P", "RGB"])
def test_transparent_pictures_are_laid_on_the_background(kind, tmp_path):
    """Black where it is opaque: in the upper half. P and RGB name a transparent colour."""
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:8] = 255
    hidden = np.zeros((16, 16, 3), np.uint8)
    if kind in ("P", "RGB"):
        hidden[8:] = 1
        image, named = Image.fromarray(hidden), {"transparency": (1, 1, 1)}
        if kind == "P":
            image = image.quantize(2)
            named = {"transparency": image.getpixel((0, 15))}
    else:
        image, named = Image.fromarray(np.dstack([hidden, alpha])).convert("RGBA"), {}
        image = image.convert("LA" if kind == "LA" else "RGBA")
    if kind == "PA":
        image = image.convert("PA")
    else:
        image.save(tmp_path / "picture.png", **named)
        image = Image.open(tmp_path / "picture.png")
    for background in ((255, 255, 255), (10, 200, 30)):
        made = square(image, 16, 3, background)
        assert (made[:8] == 0).all()
        assert (made[8:] == background).all()


def test_a_picture_half_seen_through_is_a_mix():
    image = Image.new("RGBA", (16, 16), (200, 100, 0, 51))  # a fifth
    assert np.abs(square(image, 16, 3, (0, 100, 50)).astype(int) - [40, 100, 40]).max() <= 1
    assert (square(Image.new("RGBA", (16, 16), (7, 8, 9, 255)), 16, 3) == [7, 8, 9]).all()


def test_icons_on_a_background(tmp_path, capsys):
    for n in range(10):
        picture(tmp_path / f"{n}.png", level=0, mode="LA")  # nothing of it is seen
    for background, shape, level in (
        ("white", (32, 32, 1), 255),
        ("black", (32, 32, 1), 0),
        ("#0000ff", (32, 32, 3), [0, 0, 255]),
    ):
        images = load(tmp_path, background=background).train_images
        assert images.shape[1:] == shape
        assert (images == level).all()
    load(tmp_path)  # from the cache
    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert [re.search(r"are (\d+);", line)[1] for line in warnings] == ["255", "0", "255"]


def test_a_photograph_that_lies_is_turned_upright(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "lying.png", exif=exif)
    upright = square(Image.open(tmp_path / "lying.png"), 16, 3)
    assert (upright[:, 8:] == 255).all()
    assert (upright[:, :8] == 0).all()


# A folder.


def test_a_class_per_sub_folder(tmp_path):
    for n in range(20):
        picture(tmp_path / "cat" / f"{n}.png", level=n)
        picture(tmp_path / "dog" / "big" / f"{n}.jpg", level=100 + n)
    dataset = load(tmp_path, image_size=16)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.image_shape == (16, 16, 3)
    assert 0 < len(dataset.test_images) < 10
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        np.testing.assert_array_equal(images[:, 0, 0, 0] >= 100, labels)
    everything = np.concatenate([dataset.train_images, dataset.test_images])
    assert levels(everything) == [*range(20), *range(100, 120)]
    assert set(dataset.train_labels[:12]) == {0, 1}  # they come mixed


def test_no_sub_folders_no_classes(tmp_path, capsys):
    for n in range(12):
        picture(tmp_path / f"{n}.png", level=n, mode="L")
    dataset = load(tmp_path)
    assert dataset.image_shape == (32, 32, 1)  # grey, as all of them
    assert dataset.classes == 1
    assert "test images of 32x32x1, no classes, in memory" in capsys.readouterr().out


def test_one_colored_picture_makes_all_colored(tmp_path):
    for n in range(5):
        picture(tmp_path / f"{n}.png", level=n, mode="L")
    picture(tmp_path / "red.png", level=200)
    assert load(tmp_path).image_shape == (32, 32, 3)


def test_the_test_pictures_stay_when_others_are_added(tmp_path):
    for n in range(60):
        picture(tmp_path / f"{n}.png", level=n)
    before = levels(load(tmp_path).test_images)
    assert 2 <= len(before) <= 12
    for n in range(60, 120):
        picture(tmp_path / f"{n}.png", level=n)
    after = load(tmp_path)  # seen, though the folder was decoded before
    assert len(after.train_images) + len(after.test_images) == 120
    assert [level for level in levels(after.test_images) if level < 60] == before


@pytest.mark.parametrize("test", ["test", "val"])
def test_folders_for_training_and_testing(test, tmp_path, capsys):
    for n in range(6):
        picture(tmp_path / "train" / "ab"[n % 2] / f"{n}.png", level=n)
    picture(tmp_path / test / "b" / "x.png", level=99)
    picture(tmp_path / "other" / "y.png", level=98)
    dataset = load(tmp_path)
    assert "no class or split: 1 pictures: other/y.png" in capsys.readouterr().out
    assert levels(dataset.train_images) == [0, 1, 2, 3, 4, 5]
    assert levels(dataset.test_images) == [99]
    assert dataset.class_names == ("a", "b")
    assert dataset.test_labels.tolist() == [1]


def test_a_training_folder_alone_keeps_one_in_ten(tmp_path):
    for n in range(20):
        picture(tmp_path / "train" / f"{n}.png", level=n)
    dataset = load(tmp_path)
    assert len(dataset.train_images) + len(dataset.test_images) == 20
    assert 1 <= len(dataset.test_images) < 6
    assert dataset.classes == 1


def test_unreadable_files_are_left_out_counted_and_named(tmp_path, capsys):
    for n in range(10):
        picture(tmp_path / "good" / f"{n}.png", level=n)
        picture(tmp_path / "fine" / f"{n}.jpg", level=n, size=(200, 200), quality=100)
    whole = (tmp_path / "fine" / "3.jpg").read_bytes()
    (tmp_path / "fine" / "3.jpg").write_bytes(whole[: len(whole) // 2])  # cut short
    (tmp_path / "good" / "text.png").write_text("no picture")
    (tmp_path / "good" / "empty.png").write_bytes(b"")
    (tmp_path / "good" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "good" / "notes.txt").write_text("not looked at")
    (tmp_path / "good" / ".hidden.png").write_text("nor this")
    (tmp_path / "good" / "postscript.png").write_text("%!PS-Adobe-3.0 EPSF-3.0")
    for _ in range(2):  # decoded, and from the cache
        dataset = load(tmp_path)
        assert len(dataset.train_images) + len(dataset.test_images) == 19
        out = capsys.readouterr().out
        assert "could not be read and left out: 5:" in out
        for name in ("fine/3.jpg", "good/text.png", "good/empty.png", "good/gone.png"):
            assert name in out


def test_pictures_beside_class_folders_are_left_out(tmp_path, capsys):
    for n in range(5):
        picture(tmp_path / "a" / f"{n}.png")
        picture(tmp_path / "b" / f"{n}.png")
    picture(tmp_path / "loose.png")
    assert len(load(tmp_path).train_images) == 9
    assert "no class or split: 1 pictures: loose.png" in capsys.readouterr().out


def test_one_class_is_none_and_all_pictures_are_used(tmp_path, capsys):
    for n in range(5):
        picture(tmp_path / "thumbs" / f"{n}.png", level=n)
        picture(tmp_path / f"{n}.png", level=10 + n)
    dataset = load(tmp_path)
    assert dataset.classes == 1
    everything = np.concatenate([dataset.train_images, dataset.test_images])
    assert levels(everything) == [*range(5), *range(10, 15)]
    assert "no classes" in capsys.readouterr().out


def test_a_run_among_the_pictures_is_not_looked_at(tmp_path):
    for n in range(5):
        picture(tmp_path / f"{n}.png", level=n)
    run = RunFolder(tmp_path / "runs" / "here" / "acai")
    with run.lock():
        run.begin(Config(), "some images")
    picture(run.sheets / "lerp-000064.png", level=99)
    dataset = load(tmp_path)
    assert levels(np.concatenate([dataset.train_images, dataset.test_images])) == [0, 1, 2, 3, 4]


def test_a_folder_that_is_linked_twice_is_two_classes(tmp_path):
    for n in range(5):
        picture(tmp_path / "pool" / f"{n}.png", level=n)
    (tmp_path / "pictures").mkdir()
    for name in ("cats", "dogs"):
        (tmp_path / "pictures" / name).symlink_to(tmp_path / "pool")
    dataset = load(tmp_path / "pictures")
    assert dataset.class_names == ("cats", "dogs")
    assert len(dataset.train_images) + len(dataset.test_images) == 10


@pytest.mark.usefixtures("permissions_hold")
def test_what_may_not_be_read_is_named_and_read_once_it_may(tmp_path, capsys):
    for n in range(5):
        picture(tmp_path / "a" / f"{n}.png")
        picture(tmp_path / "b" / f"{n}.png")
        picture(tmp_path / "c" / f"{n}.png")
    (tmp_path / "b").chmod(0)
    (tmp_path / "a" / "3.png").chmod(0)
    assert load(tmp_path).class_names == ("a", "c")
    assert "could not be read and left out: 2: b, a/3.png" in capsys.readouterr().out
    (tmp_path / "b").chmod(0o700)
    (tmp_path / "a" / "3.png").chmod(0o600)
    assert load(tmp_path).class_names == ("a", "b", "c")
    tmp_path.chmod(0)
    with pytest.raises(UsageError, match=r"cannot read the folder .*Permission denied"):
        load(tmp_path)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (None, "cannot read the folder .*No such file"),
        ([], "holds no pictures; known suffixes: .png"),
        (["notes.txt"], "holds no pictures"),
        (["broken.png", "too.png"], "none of the 2 pictures in .* can be read"),
    ],
)
def test_a_folder_without_pictures(names, says, tmp_path):
    root = tmp_path / "pictures"
    if names is not None:
        root.mkdir()
        for name in names:
            (root / name).write_text("text")
    with pytest.raises(UsageError, match=says):
        load(root)


def test_a_single_picture_is_too_few(tmp_path):
    picture(tmp_path / "one.png")
    with pytest.raises(UsageError, match="has 0 train and 1 test images"):
        load(tmp_path)


def test_links_in_a_circle(tmp_path):
    for n in range(4):
        picture(tmp_path / "a" / f"{n}.png", level=n)
    (tmp_path / "a" / "above").symlink_to(tmp_path)
    dataset = load(tmp_path)
    assert len(dataset.train_images) + len(dataset.test_images) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_only_files_are_pictures(tmp_path, capsys):
    """A pipe would be waited on for ever."""
    for n in range(4):
        picture(tmp_path / f"{n}.png", level=n)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.png"))
    dataset = load(tmp_path)
    assert len(dataset.train_images) + len(dataset.test_images) == 4
    assert "left out: 3: loop.png, pipe.png, socket.png" in capsys.readouterr().out
    (tmp_path / "pipe.png").unlink()
    picture(tmp_path / "pipe.png", level=9)  # a file now
    dataset = load(tmp_path)
    assert len(dataset.train_images) + len(dataset.test_images) == 5


def test_a_long_name(tmp_path):
    folder = tmp_path / ("x" * 255)
    for n in range(4):
        picture(folder / f"{n}.png", level=n)
    assert load(folder).name == f"folder:{folder}"


def test_names_of_any_bytes(tmp_path, capsys):
    root = tmp_path / "my pictures é"
    for n in range(4):
        picture(root / "a b" / f"{n} ü.png", level=n)
    folder = os.fsencode(root) + b"/\xff"
    os.mkdir(folder)
    os.rename(os.fsencode(root / "a b" / "3 ü.png"), folder + b"/\xfe.png")
    with open(folder + b"/\xfd.png", "wb") as file:
        file.write(b"no picture")
    dataset = load(root)
    assert dataset.class_names == ("a b", "\ufffd")
    assert levels(np.concatenate([dataset.train_images, dataset.test_images])) == [0, 1, 2, 3]
    assert "could not be read and left out: 1: \ufffd/\ufffd.png" in capsys.readouterr().out


def test_a_changed_picture_is_decoded_again(tmp_path):
    for n in range(4):
        picture(tmp_path / f"{n}.png", level=n)
    load(tmp_path)
    picture(tmp_path / "2.png", level=77)
    os.utime(tmp_path / "2.png", ns=(1, 1))
    dataset = load(tmp_path)
    assert levels(np.concatenate([dataset.train_images, dataset.test_images])) == [0, 1, 3, 77]


# A run.


@pytest.mark.slow
@pytest.mark.parametrize("size", [48, 224, 256])
def test_a_run_on_large_pictures_without_classes(size, tmp_path):
    """Through training, sheets, checkpoint and evaluation."""
    rng = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n in range(20):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((300, 270)).save(pictures / f"{n}.png")
    config = Config(
        dataset=f"folder:{pictures}",
        image_size=size,
        model="baseline",
        depth=1,
        latent=1,
        latent_width=size // 4,
        batch=16,
        total_kimg=1,
        report_kimg=1,
        export=False,
        run_dir=str(tmp_path / "run"),
    )
    folder = RunFolder(config.run_dir)
    train(config)
    (record,) = folder.records()
    assert "loss_probe" not in record
    assert "probe_accuracy" not in record
    for name in ("reconstruction", "lerp", "slerp", "prior"):
        with Image.open(folder.sheets / f"{name}-000001.png") as sheet:
            rows, columns = figures.layout((size, size, 3))
            assert sheet.size == (columns * size, rows * size + figures.CAPTION)
    values = evaluate_run(config.run_dir, ["reconstruction", "realism", "map", "clustering"])
    assert values["test_rmse"] == pytest.approx(record["test_rmse"], rel=1e-6)
    assert "clustering_accuracy" not in values
