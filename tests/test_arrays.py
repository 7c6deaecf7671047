"""Training on arrays, and from weights that are there already."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers

import acai_tf
from acai_tf import data, evaluation
from acai_tf.config import Config
from acai_tf.data.dataset import from_arrays
from acai_tf.data.square import middle
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import classifier, figures, realism
from acai_tf.evaluation.context import Context, shrunk
from acai_tf.models import build_model
from acai_tf.training import checkpoints, train
from acai_tf.training.run_folder import RunFolder, default_run_dir

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 8, 16), np.uint8)
LABELS = np.arange(80) % 3
ARRAYS = (IMAGES[:64], LABELS[:64, None], IMAGES[64:], LABELS[64:, None])  # as keras.datasets
SMALL = Config(dataset="arrays", model="baseline", depth=2, latent=2, latent_width=4)


def small(**settings):
    return build_model(dataclasses.replace(SMALL, **settings), (8, 16, 1), 3)


def arrays(model):
    return {name: np.array(variable) for name, variable in checkpoints.weights(model).items()}


def test_a_run_on_arrays_starts_from_a_model_and_knows_both_again(
    tmp_path, capsys, monkeypatch, without_sheets
):
    monkeypatch.chdir(tmp_path)
    source = small()
    settings = {"depth": 2, "latent": 2, "latent_width": 4, "model": "baseline", "lr": 0.0}
    settings |= {"report_kimg": 1, "total_kimg": 1, "export": False, "run_dir": "run"}
    settings |= {"regularizers": "interpolation_critic"}
    model = acai_tf.train(data=ARRAYS, init=source, **settings)
    assert model.image_shape == (8, 16, 1)
    assert model.classes == 3
    assert "start fresh: critic" in capsys.readouterr().out
    for name, array in arrays(source).items():  # at a learning rate of 0 nothing moves
        np.testing.assert_array_equal(arrays(model)[name], array, err_msg=name)

    saved = json.loads((tmp_path / "run/config.json").read_text())
    assert (saved["config"]["dataset"], saved["config"]["init"]) == ("arrays", train.A_MODEL)
    acai_tf.train(data=ARRAYS, init=source, **settings)
    assert "finished" in capsys.readouterr().out
    with pytest.raises(UsageError, match="images"):
        acai_tf.train(data=(255 - IMAGES, None, IMAGES, None), init=source, **settings)
    with pytest.raises(UsageError, match="init"):
        acai_tf.train(data=ARRAYS, **settings)
    with pytest.raises(UsageError, match="npz"):
        acai_tf.evaluate("run", ["reconstruction"])
    np.savez(
        "same.npz",
        **dict(zip(("train_images", "train_labels"), ARRAYS, strict=False)),
        test_images=ARRAYS[2],
        test_labels=ARRAYS[3],
    )
    config = dataclasses.replace(RunFolder("run").config(), dataset=f"npz:{tmp_path}/same.npz")
    dataset = acai_tf.load_dataset(config)
    RunFolder("run").check(config, dataset.fingerprint())  # the same images, from a file
    assert "test_rmse" in acai_tf.evaluate("run", ["reconstruction"], dataset=config.dataset)


def test_arrays_need_no_labels():
    dataset = acai_tf.load_dataset(SMALL, data=(IMAGES, None, IMAGES, None))
    assert dataset.classes == 1


@pytest.mark.parametrize(
    ("given", "settings", "says"),
    [
        ((IMAGES, LABELS, IMAGES), {}, "test_labels"),
        ({"train_images": IMAGES}, {}, "test_images"),
        ((IMAGES, LABELS, IMAGES, None), {}, "test_labels"),
        ((IMAGES[:, :, :8] / 255, None, IMAGES, None), {}, "uint8"),
        (ARRAYS, {"dataset": "digits"}, "not both"),
        (ARRAYS, {"image_size": 64}, "image_size"),
        (None, {}, "npz"),
    ],
)
def test_arrays_that_cannot_be_a_dataset_are_refused(given, settings, says):
    with pytest.raises(UsageError, match=says):
        data.load_dataset(SMALL, given, **settings)


# Weights.


def test_weights_are_copied_wherever_name_and_shape_fit():
    source = small(model="acai")
    model = build_model(dataclasses.replace(SMALL, model="acai"), (8, 16, 3), 5)  # colors, classes
    before = arrays(model)
    copied, fresh = checkpoints.copy_weights(model, arrays(source))
    assert set(fresh) == {
        *("encoder/conv0/kernel", "critic/conv0/kernel", "probe/dense/kernel", "probe/dense/bias"),
        *(f"decoder/conv3/{kind}" for kind in ("kernel", "bias")),
    }
    for name, array in arrays(model).items():
        expected = arrays(source)[name] if name in copied else before[name]
        np.testing.assert_array_equal(array, expected)


def test_other_networks_fit_nothing():
    model = small(depth=4)
    before = arrays(model)
    assert checkpoints.copy_weights(model, arrays(small()))[0] == []  # though biases would
    assert all(map(np.array_equal, before.values(), arrays(model).values()))
    with pytest.raises(UsageError, match="--depth"):
        train._start_from("there", arrays(small()), model)


def test_custom_networks_fit_by_position():
    def made():
        encoder = keras.Sequential([keras.Input((8, 16, 1)), layers.Flatten(), layers.Dense(6)])
        decoder = keras.Sequential(
            [keras.Input((6,)), layers.Dense(128), layers.Reshape((8, 16, 1))]
        )
        return encoder, decoder

    source, model = acai_tf.Baseline(*made()), acai_tf.VAE(*made())
    copied, fresh = checkpoints.copy_weights(model, arrays(source))
    assert len(copied) == 4
    assert len(fresh) == 4  # mu and log sigma^2
    np.testing.assert_array_equal(source.reconstruct(IMAGES[..., None]).shape, (80, 8, 16, 1))


def test_the_pretrained_ones_are_found_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train._resolve(None, None, "run", {}).init == str(tmp_path / "run")
    config = train._resolve(None, None, "acai/mnist-d32/", {"dataset": "mnist"})
    assert config.init == "acai/mnist-d32"
    config = Config(dataset="mnist", init=config.init)
    assert default_run_dir(config) == "runs/mnist/acai+from-mnist-d32-d32-seed0"
    start, _ = train._source("acai/mnist-d32")
    train._start_from("acai/mnist-d32", start, build_model(config, (32, 32, 1), 0))
    assert "probe" not in capsys.readouterr().out
    with pytest.raises(UsageError):
        train._source("nowhere")
    with pytest.raises(UsageError, match="not both"):
        acai_tf.train(config, original="ACAI_depth2")


# Images that are not square.


def test_evaluators_take_them():
    tall = np.random.default_rng(0).integers(0, 256, (40, 48, 24, 1), np.uint8)
    dataset = from_arrays((tall, np.arange(40) % 2, tall, np.arange(40) % 2), "tall")
    model = build_model(dataclasses.replace(SMALL, latent_width=6), dataset.image_shape, 2)
    context = Context(model, dataset)
    assert shrunk(tall).shape == (40, 32, 16, 1)
    assert context.paths.shape == context.blends.shape == (10, 16, 32, 16, 1)
    assert classifier.build(classifier._input_shape(dataset), 2).input_shape[1:] == (32, 16, 1)
    assert realism.feature(shrunk(tall)).shape == (40, 8 * 4 * 9)
    names = ["reconstruction", "similarity", "probe", "realism"]
    scores = evaluation.run_evaluators(model, dataset, names)
    assert {"test_rmse", "test_ssim", "probe_accuracy", "realism"} <= set(scores)
    sheets = figures.sheets(model, tall)
    height = 16 * 48 + figures.CAPTION
    assert all(sheet.shape == (height, 16 * 24, 1) for sheet in sheets.values())
    with pytest.raises(CannotEvaluate, match="cell"):
        realism.feature(np.zeros((1, 3, 32, 1)))


def test_the_middle_of_a_picture_has_the_proportions_that_are_asked_for():
    from PIL import Image

    ramp = np.tile(np.arange(90, dtype=np.uint8), (30, 1))
    got = middle(Image.fromarray(ramp), (10, 20, 1))
    assert got.shape == (10, 20, 1)
    np.testing.assert_array_equal(
        got[0, :, 0], 16 + 3 * np.arange(20)
    )  # columns 15 to 75 in threes
    assert from_arrays((IMAGES, None, IMAGES, None), "x").image_shape == (8, 16, 1)
