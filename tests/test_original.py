"""Run folders of the original TensorFlow 1 program."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

import acai_tf
from acai_tf import flags
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation.run import evaluate_run
from acai_tf.models import MODELS, build_model
from acai_tf.models.optimizer import adam
from acai_tf.original import checkpoint
from acai_tf.original.folder import dataset_of
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import train
from tests.reference import FOLDER, Golden
from tests.test_golden import assert_near
from tests.test_training import Killed, assert_same_outcome

# Written by the original program itself, seven steps into a run.
WRITTEN = FOLDER / "tf1_checkpoint"
RUN = WRITTEN / "ACAI_advdepth4_advweight0.5_depth4_latent2_reg0.2_scales3"
EXPECTED = np.load(RUN / "expected.npz")
READER = tf.train.load_checkpoint(str(RUN / "tf" / "model.ckpt-7"))


def test_a_checkpoint_of_the_original_gives_its_outputs():
    model = acai_tf.load_original(RUN)
    x = EXPECTED["x"]
    assert_near(model.encode(x), EXPECTED["encode"], 1e-5, "encode")
    assert_near(model.reconstruct(x), EXPECTED["reconstruct"], 1e-5, "reconstruct")
    assert_near(model.decode(EXPECTED["encode"]), EXPECTED["decode_encode"], 1e-5, "decode")
    np.testing.assert_array_equal(np.argmax(model.classify(x), -1), EXPECTED["classify"])
    assert int(model.optimizer.iterations) == int(EXPECTED["step"])
    assert (model.config.model, model.config.depth, model.config.latent) == ("acai", 4, 2)


def test_a_finished_run_is_evaluated(tmp_path):
    folder = shutil.copytree(RUN, tmp_path / "digits" / RUN.name)
    values = evaluate_run(str(folder), ["reconstruction", "probe", "curves"])
    assert values["step"] == int(EXPECTED["step"])
    assert values["test_rmse"] > 0
    assert (folder / "evaluation" / "report.html").exists()
    folder = folder.rename(tmp_path / RUN.name)
    with pytest.raises(UsageError, match="--dataset is needed"):
        evaluate_run(str(folder))
    values_2 = evaluate_run(str(folder), ["probe"], dataset="digits", out=str(tmp_path / "out"))
    assert values_2["probe_accuracy"] == values["probe_accuracy"]


def test_adams_moments_come_along():
    model = acai_tf.load_original(RUN)
    slots = {v.path: np.asarray(v) for v in model.optimizer.variables}
    momenta = [v for path, v in slots.items() if path.endswith("momentum")]
    velocities = [v for path, v in slots.items() if path.endswith("velocity")]
    assert len(momenta) == len(velocities) == len(model.trainable_variables)
    assert all(np.any(m < 0) or np.any(m > 0) for m in momenta)
    assert min(v.min() for v in velocities) >= 0  # squares; the two are not exchanged
    np.testing.assert_array_equal(
        slots["adam/critic_conv3_kernel_velocity"], READER.get_tensor("disc/conv2d_3/kernel/Adam_1")
    )


def write(folder: pathlib.Path, values: dict, step: int) -> None:
    """A checkpoint as TensorFlow 1's Saver wrote it."""
    (folder / "tf").mkdir(parents=True)
    values = {**values, "global_step": np.int64(step)}
    tf.raw_ops.SaveV2(
        prefix=str(folder / "tf" / f"model.ckpt-{step}"),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.constant(value) for value in values.values()],
    )


def folder_name(golden: Golden) -> str:
    original = golden.original
    names = sorted(["depth", "latent", "scales", *original.settings, *original.unread])
    words = [f"{name}{golden.settings[name]}" for name in names]
    return "_".join([golden.settings["model"], *words])


def as_saved(golden: Golden, prefix: str, moments: dict | None = None) -> dict:
    """The original's names -> weights recorded under `prefix`, and `moments` of Adam."""
    weights = {
        key.removeprefix(prefix): golden.arrays[key]
        for key in golden.arrays.files
        if key.startswith(prefix)
    }
    return {**weights, **(moments or {})}


@pytest.mark.parametrize(
    "name",
    [n if n in ("acai", "vqvae") else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_every_model_goes_on_from_its_first_step(name, tmp_path, monkeypatch):
    """From the original's weights and moments after one step, two more reach its third."""
    golden = Golden(name)
    moments = {}
    for key in golden.arrays.files:
        if key.startswith("grad/"):  # after a step from nothing m = 0.1 g and v = 0.001 g^2
            variable, gradient = key.split("/", 2)[2], golden.arrays[key]
            moments[f"{variable}/Adam"] = np.float32(0.1) * gradient
            moments[f"{variable}/Adam_1"] = np.float32(0.001) * gradient**2
    folder = tmp_path / "svhn32" / folder_name(golden)
    write(folder, as_saved(golden, "step1/", moments), step=1)
    model = acai_tf.load_original(folder)
    assert model.image_shape == golden.shape
    expected = dataclasses.replace(golden.config, batch=64, dataset="svhn")
    assert model.config == expected
    monkeypatch.setattr(model, "noise", lambda seed, batch: golden.noise)
    for _ in range(2):
        model.train_on_batch({"image": golden.x, "label": golden.label})
    golden.check_weights(model, 3)


def test_a_checkpoint_without_moments_is_read_and_says_so(tmp_path, capsys):
    golden = Golden("vae")
    folder = tmp_path / folder_name(golden)
    write(folder, as_saved(golden, "init/"), step=5)
    model = acai_tf.load_original(folder)
    assert "has no moments of Adam; they begin at 0" in capsys.readouterr().out
    assert int(model.optimizer.iterations) == 5
    decoded = model.decode(golden.arrays["h"])
    assert_near(decoded, golden.arrays["decode_h"], 1e-5, "decode")
    some = {"ae_enc/conv2d/kernel/Adam": golden.arrays["init/ae_enc/conv2d/kernel"]}
    write(tmp_path / "partly" / folder.name, as_saved(golden, "init/", some), step=5)
    with pytest.raises(UsageError, match="no variable ae_enc/conv2d/kernel/Adam_1"):
        acai_tf.load_original(tmp_path / "partly" / folder.name)


def test_a_codebook_that_began_biased_is_not_called_unbiased(tmp_path):
    golden = Golden("vqvae")
    folder = tmp_path / folder_name(golden)
    write(folder, as_saved(golden, "init/"), step=0)
    config = dataclasses.replace(golden.config, zero_debias=True)
    model = build_model(config, golden.shape, 10)
    model.compile(optimizer=adam(model, model.config.lr))
    with pytest.raises(UsageError, match="--zero_debias"):
        checkpoint.restore(folder, model)


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "experiments" / RUN.name
    shutil.copytree(RUN, folder)
    return folder


def continued(folder, **changes) -> Config:
    """A run of two reports that goes on from the original's, in `folder`."""
    return Config(
        dataset="digits",
        original=str(RUN),
        run_dir=str(folder),
        depth=4,
        latent=2,
        advdepth=4,
        total_kimg=2,
        report_kimg=1,
        export=False,
        **changes,
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Such a run, finished."""
    config = continued(tmp_path_factory.mktemp("original") / "run")
    return config, train(config)


@pytest.mark.slow
def test_training_goes_on_from_it(unbroken):
    config, model = unbroken
    records = RunFolder(config.run_dir).records()
    assert [record["step"] for record in records] == [16, 32]
    assert int(model.optimizer.iterations) == 32
    # The weights moved on from the original's, no further than 25 steps of 1e-4 can carry them.
    before = acai_tf.load_original(RUN)
    for old, new in zip(before.trainable_variables, model.trainable_variables, strict=True):
        moved = np.abs(np.asarray(old) - np.asarray(new)).max()
        assert 0 < moved < 25 * 1e-4 * 2, old.path


@pytest.mark.slow
def test_a_continuation_killed_before_its_first_checkpoint(unbroken, tmp_path, monkeypatch, capsys):
    def killed(*args):
        raise Killed

    config = continued(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", killed)
        with pytest.raises(Killed):
            train(config)
    assert len(RunFolder(config.run_dir).records()) == 1
    train(config)
    assert capsys.readouterr().out.count(f"continuing {RUN} from step 7") == 2
    assert_same_outcome(config.run_dir, unbroken[0].run_dir)


@pytest.mark.parametrize("step", [32, 40])
def test_no_more_to_do_than_the_original_did_is_refused(step, tmp_path):
    values = {name: READER.get_tensor(name) for name in READER.get_variable_to_shape_map()}
    later = tmp_path / RUN.name
    write(later, values, step)
    config = dataclasses.replace(continued(tmp_path / "run"), original=str(later))
    with pytest.raises(
        UsageError, match=rf"has {step} steps, --total_kimg=2 are 32; give a larger"
    ):
        train(config)
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_a_run_that_has_its_own_checkpoints_needs_the_original_no_more(unbroken, there, tmp_path):
    shutil.copytree(unbroken[0].run_dir, tmp_path / "run")
    for elsewhere in ("", str(there)):
        config = dataclasses.replace(unbroken[0], run_dir=str(tmp_path / "run"), original=elsewhere)
        train(config)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(UsageError, match=r"original is .* there, '' here"):
        train(dataclasses.replace(config, original=""))


def parsed(*words):
    return flags.parse(["train.py", *words])


def test_the_command_line_takes_the_sizes_from_the_name():
    config = parsed("--dataset=mnist", f"--original={RUN}", "--reg=0.3")
    assert (config.model, config.depth, config.latent, config.latent_width) == ("acai", 4, 2, 4)
    assert (config.advdepth, config.reg, config.dataset) == (4, 0.3, "mnist")


def test_the_dataset_is_that_of_the_folder_above_and_never_the_quickstart(tmp_path):
    folder = tmp_path / "TRAIN" / "celeba32" / RUN.name
    assert dataset_of(folder) == "celeba"
    config = parsed(f"--original={folder}")
    assert config.dataset == "celeba"
    assert (config.depth, config.lr, config.batch, config.total_kimg) == (4, 1e-4, 64, 1 << 14)
    with pytest.raises(UsageError, match="--dataset is needed"):
        parsed(f"--original={RUN}")
    with pytest.raises(UsageError, match="is a run of acai, not of vae"):
        parsed(f"--original={folder}", "--model=vae")


def test_another_shape_is_refused_and_named(there, tmp_path):
    config = dataclasses.replace(continued(tmp_path / "run"), advdepth=5)
    with pytest.raises(UsageError, match=r"disc/conv2d/kernel has shape \(1, 1, 1, 4\), critic/co"):
        train(config)
    renamed = there.with_name(there.name.replace("_depth4", "_depth6"))
    there.rename(renamed)
    with pytest.raises(UsageError, match=r"ae_enc/conv2d/kernel has shape \(1, 1, 1, 4\), enc"):
        acai_tf.load_original(renamed)


def test_a_variable_that_is_not_there_is_named(there):
    values = {name: READER.get_tensor(name) for name in READER.get_variable_to_shape_map()}
    lacking = there.parent / "lacking" / there.name
    write(lacking, {k: v for k, v in values.items() if k != "disc/conv2d_8/bias"}, 7)
    with pytest.raises(UsageError, match="no variable disc/conv2d_8/bias: it is of another model"):
        acai_tf.load_original(lacking)


@pytest.mark.parametrize(
    "name",
    [
        *("ACAI", "ACAI_depth4", "Foo_depth4_latent2_scales3", "VAE_betax_depth4_latent2_scales3"),
        *("VAE_beta1.0_depth4_latent0_scales3", "VAE_beta1.0_depth4_latent-2_scales3"),
        *("VAE_beta1.0_depth0_latent2_scales3", "VAE_beta1.0_depth4_latent2_scales-1"),
        "VAE_beta1.0_depth4_latent2_scales40",
    ],
)
def test_a_folder_of_another_name_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="is not a run folder of the original program"):
        acai_tf.load_original(tmp_path / name)
    with pytest.raises(UsageError, match="is not a run folder of the original program"):
        parsed(f"--original={tmp_path / name}")


def test_damage_is_said(there, tmp_path):
    with pytest.raises(UsageError, match="no checkpoint of the original program in"):
        acai_tf.load_original(tmp_path / RUN.name)
    data = there / "tf" / "model.ckpt-7.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])  # an interrupted copy
    with pytest.raises(UsageError, match="ckpt-7 is damaged at "):
        acai_tf.load_original(there)
    data.unlink()
    with pytest.raises(UsageError, match="ckpt-7 is damaged"):
        acai_tf.load_original(there)
    (there / "tf" / "model.ckpt-9.index").write_bytes(b"junk")
    with pytest.raises(UsageError, match="ckpt-9 is damaged"):
        acai_tf.load_original(there)


def test_the_newest_checkpoint_is_read(there):
    values = {name: READER.get_tensor(name) for name in READER.get_variable_to_shape_map()}
    later = there.parent / "later" / there.name
    write(later, values, 10)
    for file in (there / "tf").iterdir():
        shutil.copy(file, later / "tf" / file.name)
    assert int(acai_tf.load_original(later).optimizer.iterations) == 10


def test_names():
    golden = Golden("vqvae")
    names = {checkpoint.original_name(golden.original, v.path) for v in golden.model().weights}
    assert {"ema_means_0", "vqvae/bottleneck/vch2/bias", "vqvae/ae_decoder/conv2d_3/bias"} <= names
