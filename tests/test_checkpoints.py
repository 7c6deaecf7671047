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


def saved_twice(folder):
    """A model and its folder with checkpoints of steps 1 and 2; the values at each."""
    model = make("acai")
    at = {}
    for step in (1, 2):
        model.step(batch_of(8))
        checkpoints.save(folder, model)
        at[step] = values(model)
    return model, at


def test_everything_a_step_changes_is_restored(tmp_path):
    _, at = saved_twice(tmp_path)
    fresh = make("acai", seed=9)
    assert checkpoints.restore_newest(tmp_path, fresh) == 2
    assert_equal(values(fresh), at[2])
    assert int(fresh.optimizer.iterations) == 2
    momenta = [v for path, v in values(fresh).items() if path.endswith("momentum")]
    assert len(momenta) == len(fresh.trainable_variables)
    assert all(np.any(m) for m in momenta)


def test_an_empty_folder_is_step_0(tmp_path):
    model = make("acai")
    before = values(model)
    assert checkpoints.restore_newest(tmp_path, model) == 0
    assert_equal(values(model), before)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def other_file(path):
    path.write_text("not a checkpoint")


def flip_in_directory(offset, bit):
    """A bit of the zip file's directory, where names, versions and flags are."""

    def flip(path):
        data = bytearray(path.read_bytes())
        data[data.rindex(b"PK\x01\x02") + offset] ^= bit
        path.write_bytes(data)

    flip.__name__ = f"directory_byte_{offset}_bit_{bit}"
    return flip


def changed(path, name, value):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, name: np.full_like(arrays[name], value)})


def not_finite(path):
    changed(path, "encoder/conv0/kernel", np.nan)


def of_another_step(path):
    changed(path, "adam/iteration", 1)


DAMAGES = [
    *(truncate, flip_a_bit, empty, other_file, not_finite, of_another_step),
    flip_in_directory(6, 0x40),  # version needed: zipfile raises NotImplementedError
    flip_in_directory(8, 0x01),  # encrypted: RuntimeError
    flip_in_directory(48, 0x01),  # a variable's name
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_newest_falls_back_and_says_so(damage, tmp_path, capsys):
    _, at = saved_twice(tmp_path)
    damage(tmp_path / "step-00000002.npz")
    fresh = make("acai", seed=9)
    assert checkpoints.restore_newest(tmp_path, fresh) == 1
    assert_equal(values(fresh), at[1])
    said = capsys.readouterr().out
    assert "step-00000002.npz" in said
    assert "going on from step-00000001.npz" in said


def test_when_all_are_damaged_nothing_is_started_over(tmp_path):
    saved_twice(tmp_path)
    for path in checkpoints.checkpoints(tmp_path):
        truncate(path)
    model = make("acai")
    before = values(model)
    with pytest.raises(UsageError, match=r"step-00000002.npz is damaged.*no older one"):
        checkpoints.restore_newest(tmp_path, model)
    assert_equal(values(model), before)


def test_a_half_written_checkpoint_is_not_one(tmp_path):
    _, at = saved_twice(tmp_path)
    whole = (tmp_path / "step-00000002.npz").read_bytes()
    (tmp_path / ".step-00000003.npz.partial").write_bytes(whole[:100])
    fresh = make("acai", seed=9)
    assert checkpoints.restore_newest(tmp_path, fresh) == 2
    assert_equal(values(fresh), at[2])


def test_a_kill_while_writing_leaves_no_checkpoint_by_that_name(tmp_path, monkeypatch):
    model, at = saved_twice(tmp_path)
    model.step(batch_of(8))

    def killed(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path, model)
    fresh = make("acai", seed=9)
    assert checkpoints.restore_newest(tmp_path, fresh) == 2
    assert_equal(values(fresh), at[2])


def test_the_newest_are_kept(tmp_path):
    model = make("baseline")
    for _ in range(checkpoints.KEEP + 2):
        model.step(batch_of(4))
        checkpoints.save(tmp_path, model)
    steps = [path.name for path in checkpoints.checkpoints(tmp_path)]
    assert steps == [f"step-0000000{n}.npz" for n in (3, 4, 5)]
    assert checkpoints.KEEP == 3


def test_another_models_checkpoint_is_refused_by_the_variable(tmp_path):
    model = make("baseline")
    checkpoints.save(tmp_path, model)
    with pytest.raises(UsageError, match="no variable critic/conv0/kernel"):
        checkpoints.restore_newest(tmp_path, make("acai"))


def test_another_shape_is_refused_by_the_variable(tmp_path):
    path = checkpoints.save(tmp_path, make("baseline"))
    with np.load(path) as file:
        arrays = {**file, "encoder/conv1/kernel": np.zeros((3, 3, 4, 5), np.float32)}
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match=r"encoder/conv1/kernel has shape \(3, 3, 4, 5\)"):
        checkpoints.restore(path, make("baseline"))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = make("baseline")
    model.decoder.trainable_variables[0].assign(
        np.full(model.decoder.trainable_variables[0].shape, np.nan)
    )
    with pytest.raises(DivergedError, match="decoder/conv0/kernel"):
        checkpoints.save(tmp_path, model)
    assert checkpoints.checkpoints(tmp_path) == []


def test_weights_alone_can_be_restored_for_evaluation(tmp_path):
    model, _ = saved_twice(tmp_path)
    bare = make("acai", seed=9, compiled=False)
    assert checkpoints.restore_newest(tmp_path, bare) == 2
    images = batch_of(3)["image"]
    np.testing.assert_array_equal(bare.encode(images), model.encode(images))


def test_a_checkpoint_is_restored_all_or_not_at_all(tmp_path):
    """What is wrong with its last variable is seen before the first is set."""
    model, _ = saved_twice(tmp_path)
    path = tmp_path / "step-00000002.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for damaged in (np.array("text"), np.zeros((1, 2, 3, 4, 5))):
        last = list(checkpoints.state(model))[-1]
        np.savez(path, **{**arrays, last: damaged})
        fresh = make("acai", seed=9)
        before = values(fresh)
        with pytest.raises(UsageError):
            checkpoints.restore(path, fresh)
        assert_equal(values(fresh), before)
