"""The same run on one device, on several, and on several machines."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest

from acai_tf import backend
from acai_tf.config import Config
from acai_tf.data.pipeline import pipeline
from acai_tf.errors import Stopped, UsageError
from acai_tf.models import MODELS
from acai_tf.training import checkpoints, distribution
from acai_tf.training.callbacks import Report
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import train
from tests.conftest import ROOT
from tests.reference import Golden
from tests.test_faults import at_call
from tests.test_training import assert_same_outcome

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")

REPLICAS = [2, pytest.param(4, marks=pytest.mark.slow)]


def mirrored(count: int, **settings) -> Config:
    return Config(strategy="mirrored", logical_devices=count, **settings)


@pytest.mark.parametrize(("batch", "replicas"), [(2, 1), (8, 2), (24, 3), (64, 4), (64, 32)])
def test_every_image_has_one_replica_and_its_partner_with_it(batch, replicas):
    shares = [backend.rows(batch, replicas, replica) for replica in range(replicas)]
    assert sorted(np.concatenate(shares)) == list(range(batch))
    for share in shares:
        assert len(share) == batch // replicas
        np.testing.assert_array_equal(share[::-1], batch - 1 - share)  # reversed: its partners


# The others, and four replicas, where there is time for them: each is compiled again.
FAST = ("acai", "vqvae")
NAMES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


@pytest.mark.parametrize("replicas", REPLICAS)
@pytest.mark.parametrize("name", NAMES)
def test_the_originals_steps_on_several_replicas(name, replicas, monkeypatch):
    """One and three steps of a batch shared by replicas are the original's of the whole batch."""
    golden = Golden(name)
    whole = {"image": golden.x, "label": golden.label}
    dataset = types.SimpleNamespace(batch_at=lambda step, batch, seed: whole)
    config = mirrored(replicas, batch=len(golden.x))
    with distribution.distribute(config):
        model = golden.model()
        monkeypatch.setattr(model, "noise", lambda seed, count: drawn(count, golden))
        for step, steps in ((1, 1), (3, 2)):
            model.fit(pipeline(dataset, config, 0), steps_per_epoch=steps, shuffle=False, verbose=0)
            golden.check_weights(model, step)
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    one = golden.model()
    monkeypatch.setattr(one, "noise", lambda seed, count: golden.noise)
    one.step(whole)
    one.reset_metrics()
    one.step(whole)
    expected = one.step(whole)  # the mean over the second and the third, as above
    for name, value in expected.items():
        assert logs[name] == pytest.approx(float(value), rel=1e-4), name


def assert_near(record, other, relative):
    assert set(record) == set(other)
    for name in set(record) - {"images_per_second"}:
        # A critic that has hardly begun says next to nothing of anything: its correlation is noise.
        noise = 0.01 if name == "critic_correlation" else 0
        assert record[name] == pytest.approx(other[name], rel=relative, abs=noise), name


def drawn(count, golden):
    assert count == len(golden.x)  # asked for the whole batch
    return golden.noise


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2, 4])
@pytest.mark.parametrize("name", ["acai", "denoising"])
def test_replicas_draw_the_random_numbers_of_one_device(name, replicas, configured):
    """A run on N replicas ends as on one, up to rounding: noise, partners and logs."""
    alone, shared = (
        configured(
            model=name,
            total_kimg=1,
            batch=64,
            schedule="trapezoid",
            warmup_kimg=0.25,
            probe_lr=1e-2,
            ema_kimg=0.1,
            run_dir=f"{configured().run_dir}-{where}",
            **settings,
        )
        for where, settings in (
            ("alone", {"strategy": "default"}),
            ("shared", {"strategy": "mirrored", "logical_devices": replicas}),
        )
    )
    ends = []
    for config in (alone, shared):
        train(config)
        run = RunFolder(config.run_dir)
        with np.load(checkpoints.checkpoints(run.checkpoints)[-1]) as file:
            ends.append((dict(file), run.records()[-1]))
    (weights, record), (other_weights, other_record) = ends
    assert set(weights) == set(other_weights)
    for path in (p for p in weights if not p.startswith("running/")):
        scale = np.abs(weights[path]).max() or 1
        np.testing.assert_allclose(other_weights[path], weights[path], atol=2e-3 * scale)
    assert_near(other_record, record, 2e-3)


@pytest.mark.slow
def test_a_run_resumes_on_another_number_of_replicas(configured, monkeypatch):
    """Noise, order and means are the same."""
    alone = configured(run_dir=configured().run_dir + "-alone")
    train(alone)
    with monkeypatch.context() as patch:  # within a period: its means go on as well
        told = at_call(40, lambda: signal.raise_signal(signal.SIGTERM), Report.on_train_batch_end)
        patch.setattr(Report, "on_train_batch_end", told)
        with pytest.raises(Stopped, match="saved at step 40"):
            train(configured(strategy="mirrored", logical_devices=2))
    train(configured(strategy="default", total_kimg=1))
    train(configured(strategy="mirrored", logical_devices=4))
    ours, theirs = (RunFolder(c.run_dir).records() for c in (configured(), alone))
    for record, other in zip(ours, theirs, strict=True):
        assert_near(record, other, 5e-3)


@pytest.mark.slow
def test_replicas_that_are_told_to_stop_resume_to_the_same_end(configured, monkeypatch):
    """With the means of a period, which are summed up on each replica."""
    settings = {"strategy": "mirrored", "logical_devices": 2, "model": "baseline", "ema_kimg": 0.1}
    broken = configured(**settings)
    unbroken = configured(**settings, run_dir=broken.run_dir + "-unbroken")
    train(unbroken)
    with monkeypatch.context() as patch:
        told = at_call(100, lambda: signal.raise_signal(signal.SIGTERM), Report.on_train_batch_end)
        patch.setattr(Report, "on_train_batch_end", told)
        with pytest.raises(Stopped, match="saved at step 100"):
            train(broken)
    train(broken)
    assert_same_outcome(broken.run_dir, unbroken.run_dir)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch": 4}, "multiple of 8"),
        ({"strategy": "default"}, "--logical_devices"),
        ({"xla": "true"}, "--xla"),
        ({"logical_devices": 64}, "too late"),
    ],
)
def test_contradicting_settings_are_refused(settings, says, configured):
    config = configured(**{"strategy": "mirrored", "logical_devices": 4, **settings})
    with pytest.raises(UsageError, match=says):
        train(config)
    assert not pathlib.Path(config.run_dir).exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "needs TF_CONFIG"),
        ("{", "TF_CONFIG"),
        ('{"cluster": {"worker": ["a:1"]}}', "task"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "lists"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            "no task worker 2",
        ),
    ],
)
def test_a_malformed_cluster_is_refused(text, says, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match=says):
        distribution.prepare(Config(strategy="multiworker"))


@pytest.mark.parametrize(
    ("cluster", "task", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
    ],
)
def test_one_worker_is_the_chief(cluster, task, chief, monkeypatch):
    described = {"cluster": cluster, "task": dict(zip(("type", "index"), task, strict=True))}
    monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    assert distribution.is_chief(Config(strategy="multiworker")) == chief
    assert distribution.is_chief(Config()) == chief  # auto
    assert distribution.is_chief(Config(strategy="default"))


def test_steps_per_execution_divide_the_steps():
    config = Config(steps_per_execution=32)
    counts = [distribution.steps_per_execution(config, steps) for steps in (1024, 924, 97, 8)]
    assert counts == [32, 28, 1, 8]


# Two processes on this machine, over its loopback interface.

WORKER = """
import pathlib, sys
import numpy as np
from acai_tf import cli
from acai_tf.config import Config

def main():
    config = Config.from_dict(eval(sys.argv[1]))
    cli.load_backend(config)
    from acai_tf.training.train import train

    model = train(config)
    np.savez(sys.argv[2], **{v.path: np.asarray(v) for v in model.weights})

sys.exit(cli.run(main))
"""


class Workers:
    """Two workers of one run.

    Args:
        config: its settings.
        folder: for their logs and, at their end, their weights.
    """

    def __init__(self, config: Config, folder: pathlib.Path):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
        self.logs = [folder / f"worker{index}.log" for index in range(2)]
        self.weights = [folder / f"worker{index}.npz" for index in range(2)]
        self.processes = []
        for index in range(2):
            task = {"type": "worker", "index": index}
            environment = {
                **os.environ,
                "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
                "PYTHONPATH": str(ROOT),
            }
            words = [sys.executable, "-c", WORKER, repr(config.to_dict()), self.weights[index]]
            with open(self.logs[index], "w") as log:
                self.processes.append(
                    subprocess.Popen(words, env=environment, stdout=log, stderr=log)
                )

    def statuses(self) -> list[int]:
        """Their exit statuses, once they have ended."""
        try:
            return [process.wait(timeout=240) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()

    def output(self) -> str:
        return "\n".join(log.read_text() for log in self.logs)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for_reports(run: RunFolder, count: int) -> None:
    for _ in range(2400):
        if len(run.records()) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {count} reports")


def end_of(config):
    with np.load(checkpoints.checkpoints(RunFolder(config.run_dir).checkpoints)[-1]) as file:
        return dict(file)


@pytest.fixture
def run_by_two(configured, tmp_path_factory):
    """A function that runs `tiny`, longer, by two workers."""

    def started(name, total_kimg=6):
        config = configured(
            total_kimg=total_kimg,
            run_dir=str(tmp_path_factory.mktemp("runs") / name),
            cache_dir=str(tmp_path_factory.mktemp("cache")),
        )
        return config, lambda: Workers(config, tmp_path_factory.mktemp("workers"))

    return started


@pytest.mark.slow
def test_two_workers_train_one_model(run_by_two, configured):
    config, start = run_by_two("two")
    workers = start()
    assert workers.statuses() == [0, 0], workers.output()
    first, second = (dict(np.load(path)) for path in workers.weights)
    for path in first:
        np.testing.assert_array_equal(first[path], second[path], err_msg=path)
    alone = configured(run_dir=config.run_dir + "-alone", total_kimg=6)
    train(alone)
    ours, theirs = (RunFolder(c.run_dir).records() for c in (config, alone))
    assert [record["kimg"] for record in ours] == [1, 2, 3, 4, 5, 6]
    assert_near(ours[-1], theirs[-1], 2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "other"])
def test_a_killed_worker_ends_the_other_and_both_go_on(killed, run_by_two):
    config, start = run_by_two("killed", total_kimg=24)
    workers = start()
    wait_for_reports(RunFolder(config.run_dir), 2)
    workers.processes[killed].kill()
    statuses = workers.statuses()
    assert statuses[killed] == -signal.SIGKILL
    assert statuses[1 - killed] == 75, workers.output()
    assert "start all workers again" in workers.logs[1 - killed].read_text()
    workers = start()
    assert workers.statuses() == [0, 0], workers.output()
    assert "continuing" in workers.output()
    unbroken, start = run_by_two("unbroken", total_kimg=24)
    assert start().statuses() == [0, 0]
    left, right = end_of(config), end_of(unbroken)
    for path in left:
        np.testing.assert_array_equal(left[path], right[path], err_msg=path)


@pytest.mark.slow
@pytest.mark.parametrize("to", [[0, 1], [1]], ids=["both", "the other than the chief"])
def test_workers_that_are_told_to_stop_do_so_together(to, run_by_two):
    config, start = run_by_two("told", total_kimg=24)
    workers = start()
    wait_for_reports(RunFolder(config.run_dir), 2)
    for index in to:
        workers.processes[index].send_signal(signal.SIGTERM)
    assert workers.statuses() == [143, 143], workers.output()
    steps = [
        int(path.stem[5:])
        for path in checkpoints.checkpoints(RunFolder(config.run_dir).checkpoints)
    ]
    assert f"saved at step {steps[-1]}" in workers.logs[0].read_text()
    assert f"saved at step {steps[-1]}" in workers.logs[1].read_text()
