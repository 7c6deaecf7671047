"""Exported models: the same numbers, from TensorFlow alone."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("a SavedModel is TensorFlow's", allow_module_level=True)

import tensorflow as tf

import acai_tf
from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import critic
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export import saved_model
from acai_tf.export import write as export_module
from acai_tf.export.write import export, export_run
from acai_tf.models import MODELS, build_model
from acai_tf.training.train import train
from tests.conftest import tiny
from tests.reference import Golden

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), np.uint8)


FAST = ("vqvae",)  # it has one more way to decode; an ACAI is exported below


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
    assert exported.compiled_method("interpolate", steps=3)(images, images).shape[:2] == (3, 5)
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    size = sum(int(np.prod(v.shape)) for v in loaded.own_variables)
    players = {"critic", "discriminator"}
    kept = [v for v in model.weights if not players & set(v.path.split("/"))]
    assert size == sum(int(np.prod(v.shape)) for v in kept if "optim" not in v.path) - unread(model)


def unread(model):
    """Variables that only training reads: a codebook's averages, the scale of a VAE's noise."""
    training = ("ema", "log_variance")
    return sum(int(np.prod(v.shape)) for v in model.weights if any(n in v.path for n in training))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = tiny.__wrapped__(tmp_path_factory.mktemp("trained"))
    config = dataclasses.replace(config, model="baseline")
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
    assert about["class_names"] == [str(digit) for digit in range(10)]
    assert "versions" in about

    # It is evaluated like the run that it is of, and without it.
    names = ["reconstruction", "probe", "curves"]
    values = evaluate_run(str(out), names)
    ours = evaluate_run(trained.run_dir, names, out=str(tmp_path / "ours"))
    assert values == {name: pytest.approx(value, rel=1e-5) for name, value in ours.items()}
    saved = json.loads((out / "evaluation" / "eval.json").read_text())
    assert saved["about"]["exported"] is True
    assert saved["evaluators"]["curves"] == {"left_out": "there are no reports"}

    # Damaged ones say so.
    (out / "saved_model.pb").write_bytes(b"?" * 100)
    with pytest.raises(UsageError, match="is damaged"):
        acai_tf.load(out)
    for content in ("{", "[]", '{"version": 99}', "{}"):
        (out / "acai_tf.json").write_text(content)
        with pytest.raises(UsageError, match=r"acai_tf\.json cannot be read"):
            acai_tf.load(out)

    # Nothing is overwritten unasked, and nothing but an export ever.
    with pytest.raises(UsageError, match="exists; give another --out, or --overwrite"):
        export_run(trained.run_dir, out)
    export_run(trained.run_dir, out, ("weights",), overwrite=True)
    assert acai_tf.load(out).encode(IMAGES).shape == (5, 8, 8, 2)
    assert not (out / "saved_model.pb").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="is not an export"):
        export_run(trained.run_dir, tmp_path / "mine", overwrite=True)
    assert not list((tmp_path / "deep").glob(".*"))


def test_a_folder_that_is_neither_a_run_nor_an_export(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        acai_tf.load(tmp_path)


def test_a_model_without_classes_does_not_classify(formats):
    golden = Golden("baseline")
    model = build_model(golden.config, golden.shape, 1)
    assert "classify" not in saved_model.inference_methods(model, critic=False)
    exported = acai_tf.load(formats[0])
    exported.classes = 0
    with pytest.raises(CannotEvaluate, match="classes"):
        exported.classify(IMAGES)


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """An ACAI in Keras' and TensorFlow's formats, and the model itself."""
    golden = Golden("acai")
    model = build_model(golden.config, golden.shape, 10)
    folder = tmp_path_factory.mktemp("formats") / "export"
    return export(model, folder, ("keras", "weights", "saved_model"), critic=True), model


def methods_of(model, shape):
    """Every inference method: {name: (inputs, outputs)}."""
    images = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
    other, t = 255 - images, np.array([0.3], np.float32)
    z = np.asarray(model.encode(images))
    pair = {"images_0": images, "images_1": other, "t": t}
    logits = np.asarray(model.classify(images))
    own = {}
    if model.discrete:
        index = np.asarray(model.encode_indices(images), np.int32)
        own["encode_indices"] = {"images": images}, {"indices": index}
        own["decode_indices"] = {"indices": index}, {"images": model.decode_indices(index)}
    if model.critic:
        own["estimate"] = {"images": images}, {"alpha": model.estimate(images)}
    return {
        **own,
        "encode": ({"images": images}, {"latents": z}),
        "decode": ({"latents": z}, {"images": model.decode(z)}),
        "reconstruct": ({"images": images}, {"reconstructions": model.reconstruct(images)}),
        "interpolate": (pair, {"images": model.interpolate_at(images, other, t)}),
        "interpolate_slerp": (pair, {"images": model.interpolate_at(images, other, t, "slerp")}),
        "classify": (
            {"images": images},
            {"logits": logits, "probabilities": keras.ops.softmax(logits)},
        ),
    }


@pytest.fixture(params=["acai", "vqvae"])
def converted(request):
    golden = Golden(request.param)
    return build_model(golden.config, golden.shape, 10)


@pytest.mark.slow
def test_onnx_gives_the_models_numbers(converted, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    folder, model = tmp_path / "export", converted
    export(model, folder, ("onnx",), critic=bool(model.critic))
    for name, (inputs, outputs) in methods_of(model, model.image_shape).items():
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        names = [output.name for output in session.get_outputs()]
        assert sorted(names) == sorted(outputs)
        for key, found in zip(names, session.run(None, inputs), strict=True):
            np.testing.assert_allclose(found, outputs[key], atol=1e-4, err_msg=name)
    images = np.zeros((7, *model.image_shape), np.uint8)  # any number
    session = onnxruntime.InferenceSession(folder / "encode.onnx")
    assert session.run(None, {"images": images})[0].shape == (7, *model.latent_shape)


@pytest.mark.slow
def test_litert_gives_the_models_numbers(converted, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    folder, model = tmp_path / "export", converted
    export(model, folder, ("litert",), critic=bool(model.critic))
    interpreter = litert.Interpreter(model_path=str(folder / "model.tflite"))
    methods = methods_of(model, model.image_shape)
    assert set(interpreter.get_signature_list()) == set(methods)
    for name, (inputs, outputs) in methods.items():
        found = interpreter.get_signature_runner(name)(**inputs)
        assert set(found) == set(outputs)
        for key in outputs:
            np.testing.assert_allclose(found[key], outputs[key], atol=1e-4, err_msg=name)


def test_a_saved_model_is_a_layer_of_keras(formats):
    folder, model = formats
    layer = keras.layers.TFSMLayer(str(folder), call_endpoint="encode_float")
    images = keras.Input(model.image_shape)
    probe = keras.Model(images, keras.layers.Flatten()(layer(images)["latents"]))
    x = np.random.default_rng(0).uniform(-1, 1, (3, *model.image_shape)).astype(np.float32)
    expected = np.asarray(model.encode(x)).reshape(3, -1)
    np.testing.assert_allclose(probe(x), expected, atol=1e-6)


def test_weights_and_keras_files_give_the_model_back(formats, tmp_path):
    folder, model = formats
    images = np.random.default_rng(0).integers(0, 256, (5, *model.image_shape), np.uint8)
    expected = np.asarray(model.encode(images))
    for kept in ("weights.npz", "model.keras"):
        alone = tmp_path / kept
        alone.mkdir()
        (alone / kept).write_bytes((folder / kept).read_bytes())
        about = json.loads((folder / "acai_tf.json").read_text())
        about["formats"] = ["weights" if kept == "weights.npz" else "keras"]
        (alone / "acai_tf.json").write_text(json.dumps(about))
        loaded = acai_tf.load(alone)
        np.testing.assert_allclose(loaded.encode(images), expected, atol=1e-6)
        (alone / kept).write_bytes(b"?" * 50)
        with pytest.raises(UsageError):
            acai_tf.load(alone)
    about["formats"] = ["onnx"]
    (alone / "acai_tf.json").write_text(json.dumps(about))
    with pytest.raises(UsageError, match="holds onnx only"):
        acai_tf.load(alone)


def test_the_critic_goes_along_only_when_asked(formats, tmp_path):
    folder, model = formats
    exported = acai_tf.load(folder)
    images = np.random.default_rng(0).integers(0, 256, (3, *model.image_shape), np.uint8)
    np.testing.assert_allclose(exported.estimate(images), model.estimate(images), atol=1e-6)
    many = np.random.default_rng(0).integers(0, 256, (8, *model.image_shape), np.uint8)
    data = Dataset("noise", model.image_shape, (), many, np.zeros(8, int))
    expected = critic.evaluate(Context(model, data))
    assert critic.evaluate(Context(exported, data)) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    exported.about["critic"] = False  # as an export without it says
    with pytest.raises(CannotEvaluate, match="--critic"):
        critic.evaluate(Context(exported, data))
    golden = Golden("baseline")
    other = build_model(golden.config, golden.shape, 10)
    with pytest.raises(UsageError, match="no critic"):
        export(other, tmp_path / "other", critic=True)
    with pytest.raises(UsageError, match="unknown format 'gif'; known: saved_model"):
        export(other, tmp_path / "other", ("gif",))
    assert not list(tmp_path.iterdir())


def test_the_critic_of_tokens_estimates_probabilities(tmp_path):
    """Mixes are probabilities; sentences may be given as they are."""
    config = Config(depth=2, latent=2, latent_width=4)
    model = build_model(config, (8,), 0, Vocabulary(("", "a", "b")))
    exported = acai_tf.load(export(model, tmp_path / "export", critic=True))
    tokens = np.random.default_rng(0).integers(0, 3, (4, 8), np.int32)
    for given in (tokens, np.array(model.interpolate(tokens[:2], tokens[2:], steps=3))[1]):
        np.testing.assert_allclose(exported.estimate(given), model.estimate(given), atol=1e-6)


def test_paths_and_latents_that_make_no_sense_are_refused(formats):
    folder, model = formats
    images = np.zeros((3, *model.image_shape), np.uint8)
    exported = acai_tf.load(folder)
    for give in (model, exported):
        for words, says in (
            ((images, images, 5, "straight"), "unknown method 'straight'; known: lerp, slerp"),
            ((images, images, 1), "at least 2"),
            ((images, images, 2.5), "whole number"),
            ((images, images[:2]), "3 and 2 images"),
        ):
            with pytest.raises(UsageError, match=says):
                give.interpolate(*words)
        for t in ([], [0.5, np.nan], 0.5, [[0.5]], "half"):
            with pytest.raises(UsageError, match="t must be"):
                give.interpolate_at(images, images, t)
        with pytest.raises(UsageError, match="unknown method"):
            give.interpolate_at(images, images, [0.5], "straight")
    for method in (lambda x: model.interpolate(x, x), model.encode):
        with pytest.raises(UsageError, match="not a list"):
            method(images.tolist())


@pytest.mark.parametrize("name", ["baseline", "vae", "vqvae", "exported"])
def test_latents_of_another_shape_are_refused(formats, name):
    if name == "exported":
        model = acai_tf.load(formats[0])
    else:
        golden = Golden(name)
        model = build_model(golden.config, golden.shape, 10)
    width, _, latent = model.latent_shape
    for shape in ((2, 2 * width, width, latent), (width, width, latent), (0, width, width, latent)):
        with pytest.raises(UsageError, match=r"decodes latents \[B, "):
            model.decode(np.zeros(shape, np.float32))


def test_what_an_overwrite_may_take(formats, tmp_path, monkeypatch):
    _, model = formats
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    (tmp_path / "real").rmdir()
    real = export(model, link, ("weights",))
    assert real == tmp_path / "real"
    (real / "evaluation").mkdir()
    monkeypatch.chdir(real)
    export(model, pathlib.Path(), ("weights", "keras"), overwrite=True)
    assert link.is_symlink()
    assert {path.name for path in real.iterdir()} == {
        *("weights.npz", "model.keras", "acai_tf.json", "evaluation"),
    }
    (real / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"notes\.txt"):
        export(model, real, ("weights",), overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        export(model, tmp_path / "file" / "sub", ("weights",))
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link", "file"}


class Killed(BaseException):
    """In place of a kill: nothing is cleaned up after it."""


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("killed", [True, False])
def test_whatever_an_export_dies_at_nothing_is_lost(formats, tmp_path, monkeypatch, at, killed):
    """Killed, or failing, at the first or second rename; 2: it does not die."""
    _, model = formats
    out = export(model, tmp_path / "out", ("weights",))
    (out / "evaluation").mkdir()
    (out / "evaluation" / "eval.json").write_text("measured")
    (tmp_path / ".out.partial").mkdir()  # of one that died earlier
    (tmp_path / ".out.more.partial").mkdir()  # of another export
    with monkeypatch.context() as patch:
        left = iter([False] * at + [True])

        def replace(*paths, own=os.replace):
            if next(left, False):
                if killed:
                    patch.setattr(export_module, "_settle", lambda *_: None)
                    raise Killed
                raise OSError(5, "Input/output error", *paths)
            own(*paths)

        patch.setattr(os, "replace", replace)
        with contextlib.suppress(Killed, OSError):
            export(model, out, ("keras",), overwrite=True)
    if not killed:
        acai_tf.load(out)
    with export_module._exporting(out):  # as the next export begins
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.more.partial"}
    assert (out / "model.keras").exists() == (at == 2)
    assert (out / "weights.npz").exists() == (at < 2)
    assert (out / "evaluation" / "eval.json").read_text() == "measured"
    acai_tf.load(out)


def test_two_exports_to_one_folder_at_a_time(formats, tmp_path):
    with (
        export_module._exporting(tmp_path / "out"),
        pytest.raises(UsageError, match="another process"),
    ):
        export(formats[1], tmp_path / "out", ("weights",))


def test_images_that_are_not_the_models_are_refused(formats):
    folder, model = formats
    height, width, colors = model.image_shape
    for give in (model, acai_tf.load(folder)):
        for images, says in (
            (np.zeros((2, height, width + 1, colors), np.uint8), "takes images"),
            (np.zeros((height, width, colors), np.uint8), "takes images"),
            (np.full((1, height, width, colors), np.nan, np.float32), "not finite"),
            (np.full((1, height, width, colors), 255.0, np.float32), "0..255 as uint8"),
            (np.zeros((1, height, width, colors), np.int64), "int64"),
            (np.zeros((0, height, width, colors), np.uint8), "no images"),
        ):
            for method in (give.encode, give.reconstruct, give.compiled_method("classify")):
                with pytest.raises(UsageError, match=says):
                    method(images)
