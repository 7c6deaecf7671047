"""Exported models: the same numbers, from TensorFlow alone."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("a SavedModel is TensorFlow's", allow_module_level=True)

import tensorflow as tf

import acai_tf
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export import export, export_run
from acai_tf.models import MODELS, build_model
from acai_tf.training import train
from tests.conftest import tiny
from tests.reference import Golden

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), np.uint8)


FAST = ("acai", "vqvae")  # one more player, one more way to decode


@pytest.mark.parametrize(
    "name",
    [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_an_export_gives_the_models_numbers(name, tmp_path):
    golden = Golden(name)
    model = build_model(golden.config, golden.shape, 10)
    images = np.random.default_rng(0).integers(0, 256, (5, *golden.shape), np.uint8)
    floats = (images / 127.5 - 1).astype(np.float32)
    exported = acai_tf.load(export(model, tmp_path / "export"))
    assert exported.image_shape == model.image_shape
    assert exported.config == model.config
    z = exported.encode(images)
    np.testing.assert_allclose(z, model.encode(images), atol=1e-6)
    np.testing.assert_allclose(exported.encode(floats), model.encode(floats), atol=1e-6)
    np.testing.assert_allclose(exported.decode(z), model.decode(z), atol=1e-6)
    np.testing.assert_allclose(exported.reconstruct(images), model.reconstruct(images), atol=1e-6)
    np.testing.assert_allclose(exported.classify(images), model.classify(images), atol=1e-6)
    for method in ("lerp", "slerp"):
        path = exported.interpolate(images, floats[::-1], steps=4, method=method)
        expected = model.interpolate(images, images[::-1], steps=4, method=method)
        np.testing.assert_allclose(path, expected, atol=2e-6)
    # Any number of images, and no players that none of this needs.
    assert exported.encode(images[:1]).shape == (1, *model.latent_shape)
    assert exported.compiled_verb("interpolate", steps=3)(images, images).shape[:2] == (3, 5)
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    size = sum(int(np.prod(v.shape)) for v in loaded.own_variables)
    players = {"critic", "discriminator"}
    kept = [v for v in model.weights if not players & set(v.path.split("/"))]
    assert size == sum(int(np.prod(v.shape)) for v in kept if "optim" not in v.path) - unread(model)


def unread(model):
    """Variables that only training reads: a codebook's moving averages."""
    return sum(int(np.prod(v.shape)) for v in model.weights if "ema" in v.path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = tiny.__wrapped__(tmp_path_factory.mktemp("trained"))
    train(config)
    return config


def test_a_run_is_exported_and_used_with_tensorflow_alone(trained, tmp_path):
    out = export_run(trained.run_dir, tmp_path / "deep" / "export")
    model = acai_tf.load(trained.run_dir)
    np.save(tmp_path / "images.npy", IMAGES)
    script = f"""
import sys
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load({str(out)!r})
images = tf.constant(np.load({str(tmp_path / "images.npy")!r}))
z = loaded.signatures["encode"](images=images)["latents"]
path = loaded.signatures["interpolate"](images_0=images, images_1=images[::-1], t=[0.0, 0.3])
np.savez({str(tmp_path / "found.npz")!r}, z=z, path=path["images"])
assert not [name for name in sys.modules if name.split(".")[0] == "acai_tf"]
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert result.returncode == 0, result.stderr[-3000:]
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["z"], model.encode(IMAGES), atol=1e-6)
        expected = model.interpolate_at(IMAGES, IMAGES[::-1], [0.0, 0.3])
        np.testing.assert_allclose(found["path"], expected, atol=1e-6)
    about = json.loads((out / "acai_tf.json").read_text())
    assert about["step"] == 128
    assert about["scores"]["kimg"] == 2
    assert about["classes"] == 10
    assert "versions" in about

    # It is evaluated like the run that it is of, and without it.
    names = ["reconstruction", "probe", "curves"]
    values = evaluate_run(str(out), names)
    ours = evaluate_run(trained.run_dir, names, out=str(tmp_path / "ours"))
    assert values == {name: pytest.approx(value, rel=1e-5) for name, value in ours.items()}
    saved = json.loads((out / "evaluation" / "eval.json").read_text())
    assert saved["about"]["exported"] is True
    assert saved["evaluators"]["curves"] == {"left_out": "there are no reports"}

    # Nothing is overwritten unasked, and nothing but an export ever.
    with pytest.raises(UsageError, match="exists; give another --out, or --overwrite"):
        export_run(trained.run_dir, out)
    (out / "acai_tf.json").write_text("{}")
    export_run(trained.run_dir, out, overwrite=True)
    assert acai_tf.load(out).about["step"] == 128
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="is no export"):
        export_run(trained.run_dir, tmp_path / "mine", overwrite=True)
    assert not list((tmp_path / "deep").glob(".*"))

    # Damaged ones say so.
    (out / "saved_model.pb").write_bytes(b"?" * 100)
    with pytest.raises(UsageError, match="is damaged"):
        acai_tf.load(out)
    for content in ("{", "[]", '{"version": 99}', "{}"):
        (out / "acai_tf.json").write_text(content)
        with pytest.raises(UsageError, match=r"acai_tf\.json cannot be read"):
            acai_tf.load(out)


def test_a_folder_that_is_neither_a_run_nor_an_export(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        acai_tf.load(tmp_path)


def test_a_model_without_classes_does_not_classify(tmp_path):
    golden = Golden("baseline")
    exported = acai_tf.load(
        export(build_model(golden.config, golden.shape, 1), tmp_path / "export")
    )
    with pytest.raises(CannotEvaluate, match="knows no classes"):
        exported.classify(IMAGES)
