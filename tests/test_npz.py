"""Datasets in a file of arrays."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from acai_tf import data, flags
from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset
from acai_tf.errors import UsageError
from acai_tf.evaluation import figures
from acai_tf.evaluation.run import evaluate_run
from acai_tf.tools.data import main
from acai_tf.training.run_folder import RunFolder, default_run_dir
from acai_tf.training.train import train


def arrays(**changes):
    rng = np.random.default_rng(0)
    good = {
        "train_images": rng.integers(0, 256, (20, 16, 16, 3), np.uint8),
        "train_labels": np.arange(20, dtype=np.int32) % 4,
        "test_images": rng.integers(0, 256, (8, 16, 16, 3), np.uint8),
        "test_labels": np.arange(8, dtype=np.uint8) % 3,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def load(tmp_path, **changes) -> ArrayDataset:
    path = tmp_path / "some.npz"
    np.savez(path, **arrays(**changes))
    return data.load_dataset(Config(dataset=f"npz:{path}", batch=4))


def test_what_is_in_the_file_is_the_dataset(tmp_path):
    dataset = load(tmp_path)
    assert dataset.image_shape == (16, 16, 3)
    assert dataset.classes == 4
    for name, expected in arrays().items():
        np.testing.assert_array_equal(getattr(dataset, name), expected)
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64


def test_grey_images_may_lack_the_last_axis(tmp_path):
    grey = np.zeros((5, 8, 8), np.uint8)
    dataset = load(
        tmp_path, train_images=grey, test_images=grey, train_labels=None, test_labels=None
    )
    assert dataset.image_shape == (8, 8, 1)
    assert dataset.classes == 1  # no labels: nothing to probe
    assert not dataset.train_labels.any()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"test_images": None}, "has no test_images; it has: train_images, train_labels"),
        ({"train_images": np.zeros((20, 16, 16, 3))}, "train_images must be uint8 .*float64"),
        ({"train_images": np.zeros((0, 16, 16, 3), np.uint8)}, "N > 0"),
        ({"train_images": np.zeros((20, 0, 8, 3), np.uint8)}, r"\(20, 0, 8, 3\)"),
        ({"test_images": np.zeros((8, 16, 16, 1), np.uint8)}, "test images differ"),
        ({"train_images": np.zeros((20, 16, 16, 2), np.uint8)}, "1 or 3 colors"),
        ({"train_images": np.zeros((20, 16, 16, 0), np.uint8)}, "1 or 3 colors"),
        ({"train_labels": np.full(20, 2**63, np.uint64)}, "9223372036854775808"),
        ({"test_labels": np.full(8, 10**12)}, "from 0 to 65535"),
        ({"test_labels": None}, "has train_labels but no test_labels"),
        ({"train_labels": np.zeros(19, int)}, "one for each of 20 images"),
        ({"train_labels": np.zeros(20)}, "train_labels must be whole numbers"),
        ({"train_labels": np.full(20, -1)}, "-1 to -1"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, changes, says):
    with pytest.raises(UsageError, match=says):
        load(tmp_path, **changes)


def test_no_file_and_no_npz(tmp_path):
    with pytest.raises(UsageError, match=r"there is no .*--npz=gone\.npz"):
        data.load_dataset(Config(dataset=f"npz:{tmp_path}/gone.npz"))
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(UsageError, match=r"junk\.npz is not a readable \.npz"):
        data.load_dataset(Config(dataset=f"npz:{tmp_path}/junk.npz"))


def test_a_dataset_written_is_the_dataset_read(tmp_path, monkeypatch, capsys):
    digits = data.load_dataset(Config(dataset="digits"))
    file = tmp_path / "digits.npz"
    monkeypatch.setattr("sys.argv", ["data", "digits", f"--npz={file}"])
    main()
    assert "1,437 + 360 images" in capsys.readouterr().out
    read = data.load_dataset(Config(dataset=f"npz:{file}"))
    assert (read.image_shape, read.classes) == (digits.image_shape, digits.classes)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(read, name), getattr(digits, name))
    before = file.read_bytes()
    with pytest.raises(UsageError, match="exists; give another name"):
        main()
    assert file.read_bytes() == before
    monkeypatch.setattr("sys.argv", ["data", "lines", f"--npz={tmp_path / 'lines.npz'}"])
    with pytest.raises(UsageError, match="drawn on the fly and needs no file"):
        main()
    assert [path.name for path in tmp_path.glob("*.npz")] == ["digits.npz"]


def test_signals_and_sentences_written_are_those_read(tmp_path, monkeypatch, capsys):
    t = np.arange(16) + np.arange(12)[:, None]
    np.savez(tmp_path / "waves.npz", train_images=20 + np.sin(t), test_images=20 + np.cos(t))
    (tmp_path / "lines.txt").write_text("\n".join(f"a {n} b" for n in range(20)))
    for source, what in (("npz:waves.npz", "signals"), ("text:lines.txt", "sentences")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["data", source, f"--npz={what}.npz"])
        main()
        assert f" {what}\n" in capsys.readouterr().out.splitlines(keepends=True)[-1]
        given, read = (data.load_dataset(Config(dataset=n)) for n in (source, f"npz:{what}.npz"))
        np.testing.assert_array_equal(read.train_images, given.train_images)
        np.testing.assert_array_equal(read.test_images, given.test_images)
        assert read.vocabulary == given.vocabulary
        np.testing.assert_array_equal(read.units, given.units)


def test_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = flags.parse(["train.py", "--dataset=npz:faces.npz", "--latent=3"])
    assert config.dataset == f"npz:{tmp_path}/faces.npz"
    assert default_run_dir(config) == "runs/faces/acai-d48-seed0"
    with pytest.raises(UsageError, match=r"unknown dataset 'npz:'; known: lines, .*npz:<file>"):
        flags.parse(["train.py", "--dataset=npz:"])


@pytest.mark.slow
def test_few_images_without_classes_train_and_report(tmp_path, capsys):
    arrays_of_9 = arrays(train_labels=None, test_labels=None)
    np.savez(tmp_path / "few.npz", **arrays_of_9)
    config = Config(
        dataset=f"npz:{tmp_path}/few.npz",
        model="vae",
        depth=2,
        latent=2,
        batch=16,
        total_kimg=1,
        report_kimg=1,
        export=False,
        run_dir=str(tmp_path / "run"),
    )
    train(config)
    folder = RunFolder(config.run_dir)
    (record,) = folder.records()
    assert "test_rmse" in record
    assert "probe_accuracy" not in record
    sheet = np.asarray(Image.open(folder.sheets / "reconstruction-000001.png"))
    assert sheet.shape == (16 * 16 + figures.CAPTION, 16 * 16, 3)
    test_images = arrays_of_9["test_images"]
    np.testing.assert_allclose(sheet[:16, :16], test_images[0])
    np.testing.assert_allclose(sheet[16:32, :16], test_images[0])  # eight a row: again the first

    moved = tmp_path / "elsewhere" / "few.npz"
    moved.parent.mkdir()
    (tmp_path / "few.npz").rename(moved)
    with pytest.raises(UsageError, match="there is no "):
        evaluate_run(config.run_dir)
    values = evaluate_run(config.run_dir, dataset=f"npz:{moved}")
    assert values["test_rmse"] == pytest.approx(record["test_rmse"], rel=1e-6)
    train(dataclasses.replace(config, dataset=f"npz:{moved}", total_kimg=2))
    assert len(folder.records()) == 2
    out = capsys.readouterr().out
    assert f"the dataset of this run was {config.dataset}, it is now" in out
    assert "training data are not those" not in out
    np.savez(moved, **arrays(train_labels=None, test_labels=None, train_images=test_images))
    with pytest.raises(UsageError, match="--batch=16 is larger than the 8"):
        train(dataclasses.replace(config, dataset=f"npz:{moved}", total_kimg=3))
    (tmp_path / "other.npz").write_bytes(moved.read_bytes())
    with pytest.raises(UsageError, match=r"dataset is .*few\.npz' there, .*other\.npz' here"):
        train(dataclasses.replace(config, dataset=f"npz:{tmp_path}/other.npz"))
