"""Learning rates over a run, of single players, and runs that are lengthened."""

import dataclasses
import itertools
import json
import pathlib

import keras
import numpy as np
import pytest

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export.write import export_run
from acai_tf.loading import load
from acai_tf.models import build_model, refuse_unread
from acai_tf.models.average import Average
from acai_tf.models.optimizer import PlayerAdam, adam, scheduled, scheduled_rates
from acai_tf.models.schedule import Schedule
from acai_tf.training import checkpoints
from acai_tf.training.callbacks import Report
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import _restore, train
from tests.test_checkpoints import assert_equal
from tests.test_models import batch_of, make
from tests.test_training import Killed, assert_same_outcome, outcome


def factors(steps, *arguments, at):
    schedule = Schedule(1.0, steps, *arguments)
    return [float(schedule.factor(np.int32(step))) for step in at]


LONGEST = 16_384 * 16  # steps of 64 images


@pytest.mark.parametrize(
    ("arguments", "at", "expected"),
    [
        ((8, "constant"), (0, 7, 8), (1, 1, 1)),
        ((8, "constant", 4), (0, 1, 4, 8), (0, 0.25, 1, 1)),
        ((12, "cosine", 4), (0, 2, 4, 6, 8, 10, 12), (0, 0.5, 1, 0.853553, 0.5, 0.146447, 0)),
        ((8, "cosine"), (0, 4, 8), (1, 0.5, 0)),
        ((10, "trapezoid", 2, 4), (0, 1, 2, 6, 7, 9, 10), (0, 0.5, 1, 1, 0.75, 0.25, 0)),
        ((4, "trapezoid", 0, 4), (0, 1, 3, 4, 9), (1, 0.75, 0.25, 0, 0)),  # all of it, and beyond
        ((4, "trapezoid", 4), (0, 3, 4), (0, 0.75, 1)),
        (
            (LONGEST, "trapezoid", 1000, LONGEST // 4),
            (1, 1000, LONGEST * 3 // 4, LONGEST * 7 // 8, LONGEST - 1, LONGEST),
            (0.001, 1, 1, 0.5, 4 / LONGEST, 0),
        ),
        ((2**30, "trapezoid", 0, 4), (2**30 - 5, 2**30 - 3), (1, 0.75)),  # odd numbers in float32
    ],
)
def test_factors_worked_out_by_hand(arguments, at, expected):
    np.testing.assert_allclose(factors(*arguments, at=at), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "arguments", [(8, "triangle"), (8, "trapezoid", 5, 4), (8, "cosine", 9), (8, "cosine", 0, 2)]
)
def test_schedules_that_make_no_sense_are_refused(arguments):
    with pytest.raises(UsageError, match=r"triangle|fit|trapezoid"):
        Schedule(1e-3, *arguments)


def test_one_factor_for_all_rates():
    """Adam moves by its rate in the direction of a gradient that stays the same."""
    variables = [keras.Variable(np.zeros(2, "float32"), name=name) for name in ("common", "own")]
    optimizer = PlayerAdam(
        Schedule(0.5, 4, "trapezoid", 2, 1), epsilon=1e-8, rates={variables[1].path: 0.25}
    )
    optimizer = PlayerAdam.from_config(optimizer.get_config())
    optimizer.build(variables)
    for factor in (0, 0.5, 1, 1):
        before = [np.asarray(variable) for variable in variables]
        optimizer.apply([np.float32([1, -1])] * 2, variables)
        for variable, earlier, rate in zip(variables, before, (0.5, 0.25), strict=True):
            step = np.float32([-1, 1]) * rate * factor
            np.testing.assert_allclose(variable - earlier, step, rtol=1e-5, atol=1e-7)


def test_a_runs_schedule():
    assert scheduled(Config()) == 1e-4  # a number, as published
    schedule = scheduled(Config(schedule="trapezoid", warmup_kimg=64))
    assert schedule.get_config() == {
        "learning_rate": 1e-4,
        "steps": LONGEST,
        "shape": "trapezoid",
        "warmup": 1024,
        "cooldown": round(0.2 * LONGEST),
    }
    assert scheduled(Config(warmup_kimg=1)).shape == "constant"
    lengths = {"total_kimg": 10, "report_kimg": 1, "batch": 1024}
    for share, begins in ((0.9, 1), (0.2, 8), (0, 10), (1, 0)):
        config = Config(schedule="trapezoid", cooldown=share, **lengths)
        assert config.cooldown_begins == begins
    assert Config(schedule="cosine", **lengths).cooldown_begins == 10


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"warmup_kimg": 65}, "--warmup_kimg=65.*--total_kimg=64"),
        ({"schedule": "cosine", "warmup_kimg": 65}, "--warmup_kimg"),
        ({"schedule": "trapezoid", "warmup_kimg": 52}, "--cooldown=0.2 does not fit"),
        ({"cooldown": 0.5}, "--cooldown needs"),
    ],
)
def test_schedules_that_do_not_fit_the_run_are_refused(settings, says):
    with pytest.raises(UsageError, match=says):
        Config(total_kimg=64, **settings).check_length()


def test_each_player_learns_at_its_own_rate():
    """Adam's first step is as long as its rate, and shorter where the gradient is nearly 0."""
    model = make("acai", compiled=False, critic_lr=1e-1)
    model.compile(optimizer=adam(model, Schedule(1e-3, 8, cooldown=8), probe_lr=1e-2))
    model.optimizer.iterations.assign(4)  # half of each rate
    before = {id(v): np.asarray(v) for v in model.trainable_variables}
    model.step(batch_of(8))
    correction = np.sqrt((1 - 0.999**5) / (1 - 0.999)) * (1 - 0.9) / (1 - 0.9**5)
    rates = {"autoencoder": 1e-3, "probe": 1e-2, "critic": 1e-1}
    for player, rate in rates.items():
        for variable in model.players()[player]:
            moved = np.abs(np.asarray(variable) - before[id(variable)]).max()
            assert 0.5 < moved / (rate / 2 * correction) < 1.001, variable.path
    names = ("learning_rate", "learning_rate_probe", "learning_rate_critic")
    reported = dict(zip(names, (rate * 3 / 8 for rate in rates.values()), strict=True))
    assert scheduled_rates(model) == pytest.approx(reported)


@pytest.mark.parametrize("name", ["lrae", "miae", "midrae", "baseline"])
def test_every_critic_has_its_rate(name):
    added = "interpolation_critic" if name == "baseline" else ""
    model = make(name, compiled=False, critic_lr=0.5, regularizers=added)
    assert model.learning_rates()["critic"] == 0.5


def test_rates_of_players_that_are_not_there():
    model = build_model(Config(model="baseline", depth=2), (32, 32, 1), 0)
    assert adam(model, probe_lr=0.5).rates == {}
    with pytest.raises(UsageError, match="does not read --critic_lr"):
        refuse_unread(Config(model="vae", critic_lr=1e-3), {"critic_lr"})


# Resuming, and other lengths.


@pytest.fixture
def trapezoid(configured):
    """Its cool-down begins at step 128 of 640."""
    settings = {"model": "baseline", "image_size": 16, "steps_per_execution": 4}
    schedule = {"schedule": "trapezoid", "warmup_kimg": 0.5, "cooldown": 0.8, "total_kimg": 10}
    schedule |= {"ema_kimg": 0.05, "probe_lr": 1e-2}
    return configured(**settings, **schedule)


def steps_in(run):
    return [int(path.stem[5:]) for path in checkpoints.checkpoints(run.checkpoints)]


@pytest.fixture
def saved(trapezoid):
    """A function that makes a run folder with reports and checkpoints up to a step."""
    model = make("baseline")

    def upto(step, config=trapezoid):
        run, model.config = RunFolder(config.run_dir), config
        with run.lock():
            run.begin(config, "images")
        for at in range(64, step + 1, 64):
            model.optimizer.iterations.assign(at)
            checkpoints.save(run.checkpoints, model)
            run.append({"step": at, "kimg": at // 64})
        return run, model

    return upto


def test_the_checkpoint_before_the_cooldown_is_kept(saved, trapezoid):
    assert steps_in(saved(640)[0]) == [128, 512, 576, 640]
    cosine = {"schedule": "cosine", "cooldown": 0.2, "run_dir": f"{trapezoid.run_dir}-cosine"}
    assert steps_in(saved(640, dataclasses.replace(trapezoid, **cosine))[0]) == [512, 576, 640]


def test_a_longer_run_goes_back_to_before_the_cooldown(saved, trapezoid, capsys):
    run, model = saved(640)
    (run.path / "saved_model").mkdir()
    assert _restore(model, dataclasses.replace(trapezoid, total_kimg=20), run) == 128
    assert steps_in(run) == [record["step"] for record in run.records()][1:] == [128]
    out = capsys.readouterr().out
    assert "after step 128 are removed" in out
    assert "saved_model/ stays" in out


def test_other_lengths_before_the_cooldown_are_nothing_special(saved, trapezoid, capsys):
    run, model = saved(128)
    for total in (20, 10):
        assert _restore(model, dataclasses.replace(trapezoid, total_kimg=total), run) == 128
    assert "longer" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="past --total_kimg=5, or its cool-down"):
        _restore(model, dataclasses.replace(trapezoid, total_kimg=5), run)
    assert steps_in(run) == [64, 128]


def test_without_a_checkpoint_from_before_the_cooldown_no_run_is_longer(saved, trapezoid):
    run, model = saved(640)
    (run.checkpoints / "step-00000128.npz").unlink()
    with pytest.raises(UsageError, match="no checkpoint from before its cool-down"):
        _restore(model, dataclasses.replace(trapezoid, total_kimg=20), run)
    assert steps_in(run) == [512, 576, 640]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("schedule", "constant"), ("warmup_kimg", 1), ("cooldown", 0.1)),
        *(("lr", 0.5), ("probe_lr", 0.5), ("ema_kimg", 1), ("total_kimg", 20)),
    ],
)
def test_changed_schedules_are_refused(name, value, configured):
    before = {"schedule": "cosine" if name == "total_kimg" else "trapezoid", "total_kimg": 10}
    run = RunFolder(configured().run_dir)
    with run.lock():
        run.begin(configured(**before), "images")
    with pytest.raises(UsageError, match=f"{name} is .* there, {value!r}"):
        run.check(configured(**{**before, name: value}))


# Averaged weights.


def weights_of(model):
    return {name: np.asarray(variable) for name, variable in checkpoints.weights(model).items()}


def test_an_average_by_hand():
    model = make("vqvae", z_log_size=3)  # its codebook is averaged too
    model.average = Average(model, half_life=2.02)
    model.step(batch_of(8))
    expected = weights_of(model)  # after one step there is nothing else to average
    model.optimizer.iterations.assign(40)  # 5% are 2 steps, then 2.05
    for beta in (2 ** (-1 / 2), 2 ** (-1 / 2.02)):
        model.step(batch_of(8))
        now = weights_of(model)
        expected = {n: beta * expected[n] + (1 - beta) * now[n] for n in now}
    with model.average.in_use():
        averaged = weights_of(model)
    assert_equal(now, weights_of(model))
    assert any(name.startswith("codebook/") for name in averaged)
    for name, value in expected.items():
        np.testing.assert_allclose(averaged[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
        assert not np.array_equal(averaged[name], now[name]) or not now[name].any(), name


def test_both_copies_are_in_a_checkpoint(tmp_path):
    """Training resumes with both; what is loaded to be used has the average."""
    model, again, loaded = make("baseline"), make("baseline"), make("baseline", compiled=False)
    plain = make("baseline")
    for one in (model, again):
        one.average = Average(one, 1)
    for one in (model, plain):
        one.optimizer.iterations.assign(40)
        one.step(batch_of(8))
    assert_equal(weights_of(model), weights_of(plain))  # training does not read it
    checkpoints.save(tmp_path, model)
    checkpoints.restore_newest(tmp_path, again)
    for one in (model, again):
        one.step(batch_of(4))
    checkpoints.restore_newest(tmp_path, loaded)
    assert_equal(
        *({n: np.asarray(v) for n, v in checkpoints.state(one).items()} for one in (model, again))
    )
    with np.load(tmp_path / "step-00000041.npz") as file:
        average = {name: file[f"average/{name}"] for name in weights_of(loaded)}
    assert_equal(weights_of(loaded), average)
    assert not np.array_equal(
        average["encoder/conv0/kernel"], weights_of(plain)["encoder/conv0/kernel"]
    )


def check_averaged_weights(config, trained):
    """Whoever uses a run has the averaged weights, and can tell."""
    assert_equal(weights_of(load(config.run_dir)), weights_of(trained))
    last = RunFolder(config.run_dir).records()[-1]
    assert last["ema_kimg"] == config.ema_kimg
    assert evaluate_run(config.run_dir, ["reconstruction"])["test_rmse"] == last["test_rmse"]
    export_run(config.run_dir, f"{config.run_dir}/out", ("weights",))
    for file in ("eval.json", "out/acai_tf.json"):
        about = json.loads((pathlib.Path(config.run_dir) / file).read_text())
        assert about.get("about", about)["ema_kimg"] == config.ema_kimg
    assert_equal(weights_of(load(f"{config.run_dir}/out")), weights_of(trained))


@pytest.mark.slow
def test_a_trapezoid_resumes_and_is_lengthened_to_the_same_end(trapezoid, monkeypatch):
    def at(name, **changes):
        return dataclasses.replace(trapezoid, run_dir=f"{trapezoid.run_dir}-{name}", **changes)

    short, long = at("resumed", total_kimg=5), at("long")
    with monkeypatch.context() as patch:  # killed in the cool-down, which begins at step 64
        calls, before = itertools.count(1), Report.on_train_batch_end

        def killed(*arguments, **options):
            if next(calls) == 40:  # 4 steps each
                raise Killed
            before(*arguments, **options)

        patch.setattr(Report, "on_train_batch_end", killed)
        with pytest.raises(Killed):
            train(short)
    train(short)
    train(at("unbroken", total_kimg=5))
    assert_same_outcome(short.run_dir, at("unbroken").run_dir)
    last = RunFolder(short.run_dir).records()[-2:]
    assert [record["learning_rate"] for record in last] == pytest.approx([1e-3 / 4, 0])
    train(dataclasses.replace(short, total_kimg=10))
    trained = train(long)
    assert_same_outcome(short.run_dir, long.run_dir)
    check_averaged_weights(long, trained)
    # Training does not read the average.
    plain = at("plain", total_kimg=5, ema_kimg=0)
    train(plain)
    (state, records), (averaged, reports) = (
        outcome(plain.run_dir),
        outcome(f"{short.run_dir[:-7]}unbroken"),
    )
    assert_equal(state, {name: averaged[name] for name in state})
    for name in ("loss_ae", "loss_probe"):
        assert [record[name] for record in records] == [report[name] for report in reports]
