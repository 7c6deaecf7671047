"""No file that is loaded runs code of its own."""

import json
import os
import pathlib
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest

import acai_tf
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.export.write import export
from acai_tf.models import MODELS, build_model
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder

SHAPE = (16, 16, 1)


def exported(name: str, folder: pathlib.Path, formats: str):
    own = {"z_log_size": 5} if name == "vqvae" else {}
    config = Config(model=name, depth=2, latent=2, latent_width=8, **own)
    model = build_model(config, SHAPE, 2)
    return model, export(model, folder, (formats,))


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_what_is_pickled_is_refused(tmp_path):
    trap = tmp_path / "sprung"
    model, folder = exported("baseline", tmp_path / "export", "weights")
    with np.load(folder / "weights.npz") as file:
        arrays = {**file, "encoder/conv0/kernel": np.array([Trap(trap)], object)}
    np.savez(folder / "weights.npz", **arrays)
    with np.load(folder / "weights.npz", allow_pickle=True) as file:
        file["encoder/conv0/kernel"]
    trap.rmdir()  # it works
    run = RunFolder(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    about = {"config": model.config.to_dict(), "image_shape": SHAPE, "class_names": ["0", "1"]}
    (run.path / "config.json").write_text(json.dumps(about))
    calls = (
        lambda: acai_tf.load(folder),
        lambda: acai_tf.load(run.path),
        lambda: checkpoints.restore(folder / "weights.npz", model),
        lambda: acai_tf.load_dataset(Config(dataset=f"npz:{folder / 'weights.npz'}")),
    )
    for content in ((folder / "weights.npz").read_bytes(), pickle.dumps(Trap(trap)) + bytes(10**5)):
        for path in (folder / "weights.npz", run.checkpoints / "step-00000001.npz"):
            path.write_bytes(content)
        for call in calls:
            with pytest.raises(UsageError):
                call()
            assert not trap.exists()


FAST = ("aae", "vqvae", "acai")


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_a_keras_file_gives_its_weights_alone(name, tmp_path):
    model, folder = exported(name, tmp_path / "export", "keras")
    trap = tmp_path / "sprung"
    path = str(trap)
    line = keras.layers.Lambda(lambda x: __import__("os").makedirs(path, exist_ok=True) or x)
    keras.Sequential([keras.Input((2,)), line]).save(tmp_path / "lambda.keras")
    trap.rmdir()  # it works
    foreign = {"module": "os", "class_name": "mkdir", "config": {"path": str(trap)}}
    with zipfile.ZipFile(tmp_path / "lambda.keras") as archive:
        configs = [archive.read("config.json"), json.dumps(foreign).encode(), b"?"]
    for config in configs:
        rewrite(folder / "model.keras", {"config.json": config})
        loaded = acai_tf.load(folder)
        assert not trap.exists()
        for ours, theirs in zip(model.weights, loaded.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def test_a_keras_file_that_stands_for_more_than_it_holds_is_refused(tmp_path):
    _, folder = exported("baseline", tmp_path / "export", "keras")
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as file:
        (tmp_path / "weights.h5").write_bytes(file.read("model.weights.h5"))
    with h5py.File(tmp_path / "weights.h5", "a") as weights:
        group = weights["encoder/layers/conv2d/vars"]
        del group["0"]
        group.create_dataset("0", (2**40, 2**40), "float32", compression="gzip", chunks=(8, 8))
    rewrite(path, {"model.weights.h5": (tmp_path / "weights.h5").read_bytes()})
    with pytest.raises(UsageError, match=r"model\.keras"):
        acai_tf.load(folder)


def rewrite(path: pathlib.Path, changes: dict[str, bytes]) -> None:
    """Give members of a zip file another content."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, **changes}.items():
            archive.writestr(name, content)
