"""Runs of the published length, 262,144 steps of 64 images, and far longer ones."""

import functools
import itertools

import keras
import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.lines import LINES, line_class
from acai_tf.data.pipeline import pipeline
from acai_tf.models import build_model
from acai_tf.models.optimizer import adam
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.tensorboard import TensorBoard
from acai_tf.training.train import train

EDGE = 88_134  # the first step of seed 0 with an angle in the last millionth of the circle
LENGTH = 262_144
STEPS = (EDGE, LENGTH - 1, LENGTH, 2**31 - 2, 2**31, 2**32, 2**32 + 1)


@functools.cache
def lines():
    return load_dataset(Config(dataset="lines"))


@pytest.fixture(params=["lines", "memory", "file"])
def dataset(request, tmp_path):
    if request.param == "lines":
        return lines()
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1), np.uint8)
    labels = np.arange(100) % 10
    names = tuple(map(str, range(10)))
    if request.param == "file":
        images.tofile(tmp_path / "images")
        images = np.memmap(tmp_path / "images", np.uint8, "r", shape=images.shape)
    return ArrayDataset("small", (4, 4, 1), names, images, labels, images, labels)


def test_the_last_of_the_circle_is_in_the_last_class():
    angles = 2 * np.pi - np.array([1e-5, 1e-6, 1e-7, 1e-15, 0])
    assert line_class(angles).tolist() == [9] * 5


def test_batches_of_late_steps(dataset):
    """They are complete and differ from each other."""
    seen = set()
    for step in STEPS:
        batch = dataset.batch_at(step, 64, 0)
        assert batch["image"].shape == (64, *dataset.image_shape)
        assert (batch["label"] >= 0).all()
        assert (batch["label"] < dataset.classes).all()
        if batch["image"].dtype != np.uint8:
            assert np.abs(batch["image"]).max() <= 1
        seen.add(batch["image"].tobytes())
    assert len(seen) == len(STEPS)


@pytest.mark.parametrize("step", [EDGE, 2**31 - 2, 2**32 + 1])
def test_the_pipeline_begins_at_any_step(dataset, step):
    batches = itertools.islice(iter(pipeline(dataset, Config(batch=64), step)), 2)
    for n, batch in enumerate(batches):
        batch = batch[0] if isinstance(batch, tuple) else batch
        expected = dataset.batch_at(step + n, 64, 0)
        for name, values in expected.items():
            np.testing.assert_array_equal(np.asarray(batch[name]), values)


def test_a_late_step_of_the_optimizer():
    """Its count and its bias correction are right up to the last step that a run may have."""
    variable = keras.Variable(np.zeros(3, np.float32))
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([variable])
    optimizer.iterations.assign(2**31 - 3)
    for _ in range(2):
        optimizer.apply([keras.ops.ones(3)])
    assert int(optimizer.iterations) == 2**31 - 1
    moved = np.asarray(variable)
    assert np.isfinite(moved).all()
    assert (moved < 0).all()


def test_checkpoints_of_late_steps_are_in_order(tmp_path):
    steps = [1, EDGE, 99_999_999, 100_000_000, 2**31 - 1]
    for step in reversed(steps):
        (tmp_path / f"step-{step:08d}.npz").touch()
    names = [path.name for path in checkpoints.checkpoints(tmp_path)]
    assert [int(name[5:-4]) for name in names] == steps


def test_tensorboard_takes_late_steps(tmp_path, capsys):
    TensorBoard(tmp_path).write(2**31 - 1, {"loss": 1.0, "kimg": 2.0**32}, {})
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_all_labels_of_lines_at_the_published_length():
    """Of seed 0; the images of the steps with angles nearest to the ends of the circle, and of
    every thousandth."""
    last = 0
    for step in range(LENGTH):
        angles = LINES.random_factor(64, 0, step)
        labels = line_class(angles)
        assert labels.min() >= 0
        assert labels.max() <= 9
        near = min(angles.min(), 2 * np.pi - angles.max()) < 1e-5
        if near or not step % 1000:
            batch = lines().batch_at(step, 64, 0)
            np.testing.assert_array_equal(batch["label"], labels)
            assert np.abs(batch["image"]).max() <= 1  # NaN is not
            last = step
    assert last > EDGE


@pytest.mark.slow
def test_a_run_passes_the_step_with_the_last_of_the_circle(configured):
    """Seed 0 on lines, resumed six steps before it."""
    config = configured(
        dataset="lines", seed=0, batch=64, report_kimg=2, total_kimg=5510, model="acai"
    )
    run = RunFolder(config.run_dir)
    model = build_model(config, lines().image_shape, lines().classes)
    model.compile(optimizer=adam(model))
    model.optimizer.iterations.assign(EDGE - 6)
    with run.lock():
        run.begin(config, lines().fingerprint(), lines().class_names)
    checkpoints.save(run.checkpoints, model)
    train(config)
    (record,) = run.records()
    assert record["step"] == 88_160 > EDGE
    assert all(np.isfinite(record[name]) for name in ("loss_ae", "loss_probe", "loss_critic"))
