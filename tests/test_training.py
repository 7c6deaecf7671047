"""Small whole runs: what they write, how they resume, and what is refused."""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.errors import CannotSave, UsageError
from acai_tf.evaluation import figures
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export.exported import read_about
from acai_tf.export.write import export_run
from acai_tf.training import checkpoints, distribution
from acai_tf.training.callbacks import Report
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import describe, train

TIMES = ("images_per_second",)  # what may differ between two equal runs


def outcome(run_dir):
    """A run's last checkpoint and its metrics without the times."""
    folder = RunFolder(run_dir)
    with np.load(checkpoints.checkpoints(folder.checkpoints)[-1]) as file:
        state = dict(file)
    records = [{k: v for k, v in r.items() if k not in TIMES} for r in folder.records()]
    return state, records


def assert_same_outcome(left, right):
    (state, records), (other_state, other_records) = outcome(left), outcome(right)
    assert set(state) == set(other_state)
    for path in state:
        np.testing.assert_array_equal(state[path], other_state[path], err_msg=path)
    assert records == other_records


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A finished run of the `tiny` configuration, shared by the tests that compare with it."""
    from tests.conftest import tiny

    config = tiny.__wrapped__(tmp_path_factory.mktemp("unbroken"))
    train(config)
    return config


def test_a_run_writes_its_files(unbroken):
    folder = pathlib.Path(unbroken.run_dir)
    saved = json.loads((folder / "config.json").read_text())
    assert saved["config"] == unbroken.to_dict()
    assert {"python", "tensorflow", "keras"} <= set(saved["versions"])
    records = RunFolder(folder).records()
    assert [(r["kimg"], r["step"]) for r in records] == [(1, 64), (2, 128)]
    expected = {
        *("loss_ae", "rmse", "loss_probe", "loss_critic", "loss_critic_real", "loss_adversarial"),
        *("test_rmse", "test_psnr", "probe_accuracy", "critic_spread", "critic_correlation"),
        "images_per_second",
    }
    assert expected | {"step", "kimg"} == set(records[0])
    assert records[1]["loss_ae"] < records[0]["loss_ae"]  # it learns
    for sheet in ("reconstruction", "lerp", "slerp", "prior"):
        for kimg in (1, 2):
            image = Image.open(folder / "sheets" / f"{sheet}-{kimg:06d}.png")
            assert image.size == (16 * 16, 16 * 16 + figures.CAPTION)
            assert image.mode == "L"
            assert np.asarray(image).std() > 0
    names = [path.name for path in checkpoints.checkpoints(folder / "checkpoints")]
    assert names == ["step-00000064.npz", "step-00000128.npz"]


def test_tensorboard_gets_scalars_and_images(unbroken):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(RunFolder(unbroken.run_dir).tensorboard)).Reload()
    tags = events.Tags()
    assert {"loss_ae", "probe_accuracy"} <= set(tags["scalars"])
    assert {"lerp", "slerp", "reconstruction", "prior"} <= set(tags["images"])
    assert [event.step for event in events.Scalars("loss_ae")] == [64, 128]


def test_the_sheets_show_the_images_beside_their_reconstructions(unbroken):
    sheet = Image.open(RunFolder(unbroken.run_dir).sheets / "reconstruction-000002.png")
    pixels = np.asarray(sheet)[: 16 * 16].reshape(16, 16, 16, 16)
    pixels = pixels.transpose(0, 2, 1, 3)  # [row, column, h, w]
    test = load_dataset(unbroken).test_images[:128, ..., 0].reshape(16, 8, 16, 16)
    np.testing.assert_allclose(pixels[:, ::2], test)
    assert not np.array_equal(pixels[:, 1::2], pixels[:, ::2])


def test_a_finished_run_is_left_as_it_is(unbroken, capsys):
    folder = pathlib.Path(unbroken.run_dir)
    before = {p: p.read_bytes() for p in folder.rglob("*.npz")}
    records = RunFolder(folder).records()
    train(unbroken)
    out = capsys.readouterr().out
    assert "is finished" in out
    assert "continuing" not in out
    assert {p: p.read_bytes() for p in folder.rglob("*.npz")} == before
    assert RunFolder(folder).records() == records
    assert not (folder / "saved_model").exists()  # --export=false


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_a_finished_run_is_exported_once(configured, unbroken, monkeypatch):
    config = configured(export=True)
    shutil.copytree(unbroken.run_dir, config.run_dir)
    folder, exported = pathlib.Path(config.run_dir) / "saved_model", []

    def write(model, folder, critic):
        exported.append(folder)

    monkeypatch.setattr("acai_tf.export.saved_model.write", write)
    train(config)
    assert read_about(str(folder))["step"] == 128
    train(config)
    assert len(exported) == 1
    about = json.loads((folder / "acai_tf.json").read_text())
    for changed in (json.dumps({**about, "step": 64}), "{"):  # of an older step, or damaged
        (folder / "acai_tf.json").write_text(changed)
        train(config)
        assert read_about(str(folder))["step"] == 128
    assert len(exported) == 3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_a_disk_that_is_full_at_the_export(configured, unbroken, monkeypatch):
    import tensorflow as tf

    config = configured(export=True)
    shutil.copytree(unbroken.run_dir, config.run_dir)

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "part-0; No space left on device")

    monkeypatch.setattr("acai_tf.export.saved_model.trace", lambda *_: {})
    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(CannotSave, match="No space left"):
        train(config)
    assert not list(pathlib.Path(config.run_dir).glob("*saved_model*"))

    def command_that_exports():
        export_run(config.run_dir, f"{config.run_dir}/out")

    assert cli.run(command_that_exports) == CannotSave.exit_status


class Killed(BaseException):
    """Simulates a kill: nothing in the package catches it."""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before_metrics", "before_checkpoint", "mid_period"])
def test_an_interrupted_run_ends_as_the_unbroken_one(when, configured, unbroken, monkeypatch):
    config = configured()
    with monkeypatch.context() as patch:
        if when == "before_metrics":
            patch.setattr(RunFolder, "append", _kill_at_call(2, RunFolder.append))
        elif when == "before_checkpoint":
            patch.setattr(checkpoints, "write", _kill_at_call(2, checkpoints.write))
        else:
            patch.setattr(
                Report, "on_train_batch_end", _kill_at_call(100, Report.on_train_batch_end)
            )
        with pytest.raises(Killed):
            train(config)
    assert int(checkpoints.checkpoints(RunFolder(config.run_dir).checkpoints)[-1].stem[5:]) == 64
    train(config)
    assert_same_outcome(config.run_dir, unbroken.run_dir)


def _kill_at_call(number, function):
    calls = iter(range(1, number + 1))

    def wrapped(*args, **kwargs):
        if next(calls) == number:
            raise Killed
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.slow
def test_a_larger_total_lengthens_a_run(configured, unbroken):
    train(configured(total_kimg=1))
    config = configured(total_kimg=2)
    train(config)
    assert_same_outcome(config.run_dir, unbroken.run_dir)
    assert RunFolder(config.run_dir).config().total_kimg == 2


def test_a_total_shorter_than_the_run_is_refused(unbroken, configured):
    config = configured(run_dir=unbroken.run_dir, total_kimg=1)
    with pytest.raises(UsageError, match="--total_kimg"):
        train(config)
    assert RunFolder(unbroken.run_dir).config().total_kimg == 2


def test_a_run_whose_checkpoints_are_gone_is_not_started_over(configured, unbroken):
    folder = RunFolder(configured().run_dir)
    shutil.copytree(unbroken.run_dir, folder.path)
    before = folder.records()
    shutil.rmtree(folder.checkpoints)
    with pytest.raises(UsageError, match="no checkpoint"):
        train(configured())
    assert folder.records() == before


@pytest.mark.parametrize("line", [b"[]", b"\xff\xfe"])
def test_a_line_of_metrics_that_is_not_a_report_is_named(line, configured, unbroken):
    folder = RunFolder(configured().run_dir)
    shutil.copytree(unbroken.run_dir, folder.path)
    metrics = folder.path / "metrics.jsonl"
    first, second = metrics.read_bytes().splitlines()
    metrics.write_bytes(b"\n".join([first, line, second, b""]))
    with pytest.raises(UsageError, match="line 2"):
        train(configured())
    metrics.write_bytes(b"\n".join([first, second[: len(second) // 2]]))  # as a kill leaves it
    assert [record["kimg"] for record in folder.records()] == [1]


def test_a_change_that_may_alter_the_last_bits_is_printed(configured, capsys):
    folder = RunFolder(configured().run_dir)
    with folder.lock():
        folder.begin(configured(), "images")
        saved = folder.saved()
        assert saved["threads"] == distribution.threads()
        folder.begin(configured(), "images")
        assert not capsys.readouterr().out
        changed = {**saved, "versions": {**saved["versions"], "keras": "3.0"}, "threads": 7}
        (folder.path / "config.json").write_text(json.dumps(changed))
        folder.begin(configured(), "images")
    out = capsys.readouterr().out
    assert "keras 3.0 -> " in out
    assert "threads 7 -> " in out
    assert folder.saved() == saved


def test_the_number_of_threads_is_the_backends(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    assert distribution.threads() >= 1
    if keras.backend.backend() == "tensorflow":
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
        assert distribution.threads() == 3


def test_another_configuration_is_refused_with_what_differs(configured, unbroken):
    other = configured(run_dir=unbroken.run_dir, lr=0.5, advweight=0.1)
    before = sorted(pathlib.Path(unbroken.run_dir).rglob("*"))
    with pytest.raises(UsageError, match=r"lr is 0\.001 there, 0\.5 here") as refused:
        train(other)
    assert "advweight is 0.5 there, 0.1 here" in str(refused.value)
    assert sorted(pathlib.Path(unbroken.run_dir).rglob("*")) == before


def test_a_folder_with_something_else_in_it_is_refused(configured, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        train(configured(run_dir=str(tmp_path)))
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_run_folder_that_cannot_be_made_is_refused(configured, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--run_dir"):
        train(configured(run_dir=str(tmp_path / "file" / "run")))


def test_a_run_folder_in_use_is_refused(configured):
    config = configured()
    folder = RunFolder(config.run_dir)
    with folder.lock(), pytest.raises(UsageError, match="another process is training"):
        train(config)
    with folder.lock():  # let go: free again
        pass


def test_an_unreadable_config_is_refused(configured):
    config = configured()
    pathlib.Path(config.run_dir).mkdir()
    (pathlib.Path(config.run_dir) / "config.json").write_text('{"config": {')
    with pytest.raises(UsageError, match="cannot be read"):
        train(config)


def test_evaluate_run_repeats_the_last_report(unbroken, capsys):
    values = evaluate_run(unbroken.run_dir, ["reconstruction", "probe"])
    last = RunFolder(unbroken.run_dir).records()[-1]
    for name in ("test_rmse", "probe_accuracy"):
        assert values[name] == pytest.approx(last[name], rel=1e-6)
    saved = json.loads((pathlib.Path(unbroken.run_dir) / "eval.json").read_text())
    assert saved["about"]["step"] == values["step"] == 128
    assert "probe_accuracy" in capsys.readouterr().out


def test_settings_that_are_not_the_defaults_are_marked():
    def marked(**settings):
        lines = describe(Config(**settings)).splitlines()
        return {line.split()[0] for line in lines[1:] if line.endswith("*")}

    assert marked(dataset="mnist") == {"dataset"}
    assert marked(dataset="mnist", depth=64, latent=2) == {"dataset", "depth"}


def test_settings_may_be_given_by_name(configured):
    with pytest.raises(UsageError, match="unknown dataset"):
        train(dataset="imagenet")
    with pytest.raises(UsageError, match="baseline does not read --reg"):
        train(configured(), model="baseline", reg=0.5)


def test_other_images_of_the_same_name_are_refused(configured):
    config = configured(dataset="folder:/a/faces")
    folder = RunFolder(config.run_dir)
    with folder.lock():
        folder.begin(config, "some images")
    moved = configured(dataset="folder:/b/faces")
    folder.check(moved)  # their images are not known yet
    folder.check(moved, "some images")
    with pytest.raises(UsageError, match="dataset is 'folder:/a/faces' there"):
        folder.check(moved, "others")
    folder.check(config, "others")  # pictures were added: only a message, see below


def test_other_images_than_before_are_noticed(configured, capsys):
    config = configured()
    folder = RunFolder(config.run_dir)
    with folder.lock():
        for images, noticed in (("some", False), ("some", False), ("other", True), ("other", True)):
            folder.begin(config, images)
            assert ("training data are not" in capsys.readouterr().out) == noticed


def test_evaluate_run_without_a_checkpoint_says_so(configured, tmp_path):
    config = configured()
    folder = RunFolder(config.run_dir)
    with folder.lock():
        folder.begin(config, "some images")
    with pytest.raises(UsageError, match="no checkpoint"):
        evaluate_run(config.run_dir)
    with pytest.raises(UsageError, match="not a run folder"):
        evaluate_run(str(tmp_path))
