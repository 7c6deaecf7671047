import shutil

import numpy as np
import pytest

from acai_tf.errors import DivergedError, UsageError
from acai_tf.training import checkpoints
from tests.test_models import batch_of, make


def values(model):
    return {path: np.asarray(variable) for path, variable in checkpoints.state(model).items()}


def assert_equal(left, right):
    assert set(left) == set(right)
    for path in left:
        np.testing.assert_array_equal(left[path], right[path], err_msg=path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model, the folder of its checkpoints of steps 1 and 2, and its values at each."""
    folder, model, at = tmp_path_factory.mktemp("checkpoints"), make("acai"), {}
    for step in (1, 2):
        model.step(batch_of(8))
        checkpoints.save(folder, model)
        at[step] = values(model)
    return model, folder, at


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "checkpoints")


@pytest.fixture(scope="module")
def another():
    return make("acai", seed=9)


@pytest.fixture
def fresh(another):
    """Another model of the same shape, all of whose values are 0."""
    for variable in checkpoints.state(another).values():
        variable.assign(np.zeros(variable.shape, variable.dtype))
    return another


def test_everything_a_step_changes_is_restored(folder, fresh, trained):
    assert checkpoints.restore_newest(folder, fresh) == 2
    assert_equal(values(fresh), trained[2][2])
    assert int(fresh.optimizer.iterations) == 2
    momenta = [v for path, v in values(fresh).items() if path.endswith("momentum")]
    assert len(momenta) == len(fresh.trainable_variables)
    assert all(np.any(m) for m in momenta)


def test_an_empty_folder_is_step_0(tmp_path, fresh):
    before = values(fresh)
    assert checkpoints.restore_newest(tmp_path, fresh) == 0
    assert_equal(values(fresh), before)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    """Of a weight: an archive has bytes that nobody reads."""
    with np.load(path) as file:
        weight = file["encoder/conv1/kernel"].tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(weight)] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def encrypted(path):
    """By a bit of the zip file's directory: zipfile raises RuntimeError."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] ^= 1
    path.write_bytes(data)


def not_finite(path):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["encoder/conv0/kernel"][0] = np.nan
    np.savez(path, **arrays)


def of_another_step(path):
    shutil.copy(path.with_name("step-00000001.npz"), path)


DAMAGE = [truncate, flip_a_bit, empty, encrypted, not_finite, of_another_step]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage, folder, fresh, trained, capsys):
    damage(folder / "step-00000002.npz")
    assert checkpoints.restore_newest(folder, fresh) == 1
    assert_equal(values(fresh), trained[2][1])
    out = capsys.readouterr().out
    assert "step-00000002.npz" in out
    assert "from step-00000001.npz" in out


def test_when_all_are_damaged_nothing_is_started_over(folder, fresh):
    for path in checkpoints.checkpoints(folder):
        truncate(path)
    before = values(fresh)
    with pytest.raises(UsageError, match=r"step-00000002.npz is damaged"):
        checkpoints.restore_newest(folder, fresh)
    assert_equal(values(fresh), before)


def test_a_kill_while_writing_leaves_no_checkpoint(folder, fresh, trained, monkeypatch):
    def killed(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.write(folder, 3, {"x": np.zeros(3)})
    (folder / ".step-00000003.npz.partial").write_bytes(b"PK half of it")  # as kill -9 leaves it
    assert checkpoints.restore_newest(folder, fresh) == 2
    assert_equal(values(fresh), trained[2][2])


def test_the_newest_are_kept(tmp_path):
    for step in range(1, 6):
        checkpoints.write(tmp_path, step, {"x": np.zeros(3)})
    steps = [path.name for path in checkpoints.checkpoints(tmp_path)]
    assert steps == [f"step-0000000{n}.npz" for n in (3, 4, 5)]


def test_another_models_checkpoint_is_refused_by_the_variable(tmp_path, fresh):
    checkpoints.save(tmp_path, make("baseline"))
    with pytest.raises(UsageError, match="critic/conv0/kernel"):
        checkpoints.restore_newest(tmp_path, fresh)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = make("baseline")
    model.decoder.trainable_variables[0].assign(
        np.full(model.decoder.trainable_variables[0].shape, np.nan)
    )
    with pytest.raises(DivergedError, match="decoder/conv0/kernel"):
        checkpoints.save(tmp_path, model)
    assert checkpoints.checkpoints(tmp_path) == []


def test_weights_alone_can_be_restored_for_evaluation(folder, trained):
    bare = make("acai", seed=9, compiled=False)
    assert checkpoints.restore_newest(folder, bare) == 2
    images = batch_of(3)["image"]
    np.testing.assert_array_equal(bare.encode(images), trained[0].encode(images))


@pytest.mark.parametrize("wrong", [np.array("text"), np.zeros((1, 2, 3, 4, 5))])
def test_a_checkpoint_is_restored_all_or_not_at_all(wrong, folder, fresh):
    """An error in its last variable is found before the first is set."""
    path = folder / "step-00000002.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, list(checkpoints.state(fresh))[-1]: wrong})
    before = values(fresh)
    with pytest.raises(UsageError):
        checkpoints.restore(path, fresh)
    assert_equal(values(fresh), before)
