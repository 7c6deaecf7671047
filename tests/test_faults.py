"""What goes wrong during a run: signals, kills, disks, folders, data, numbers."""

import concurrent.futures
import dataclasses
import errno
import importlib
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import acai_tf
from acai_tf import cli, pretrained
from acai_tf.data.dataset import ArrayDataset
from acai_tf.errors import CannotSave, DivergedError, Stopped, UsageError
from acai_tf.evaluation import critic
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export import write as export
from acai_tf.files import replacing
from acai_tf.training import checkpoints, preemption
from acai_tf.training.callbacks import Report
from acai_tf.training.preemption import Signals
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.train import train
from tests.conftest import ROOT
from tests.test_commands import SMALL, start
from tests.test_training import assert_same_outcome

pytestmark = pytest.mark.usefixtures("without_sheets")
PLAIN = {"model": "baseline"}  # compiled in a third of the time


@pytest.fixture
def configured(configured):
    return lambda **changes: configured(**{**PLAIN, **changes})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A finished run, shared by the tests that compare with it."""
    from tests.conftest import tiny

    config = dataclasses.replace(tiny.__wrapped__(tmp_path_factory.mktemp("unbroken")), **PLAIN)
    train(config)
    return config


def at_call(number, do, function):
    """`function`, with `do` called before its call of this number."""
    calls = itertools.count(1)

    def wrapped(*args, **kwargs):
        if next(calls) == number:
            do()
        return function(*args, **kwargs)

    return wrapped


def names_in(config):
    return [path.name for path in checkpoints.checkpoints(RunFolder(config.run_dir).checkpoints)]


# Signals.


def default_handlers():
    """Shells ignore SIGINT in background jobs."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def restored_handlers():
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    default_handlers()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_run_that_is_told_to_stop_saves_and_resumes_to_the_same_end(
    configured, unbroken, monkeypatch
):
    config = configured()
    before = [signal.getsignal(number) for number in preemption.NUMBERS]
    interrupt = at_call(1, lambda: signal.raise_signal(signal.SIGINT), RunFolder.append)
    terminate = at_call(36, lambda: signal.raise_signal(signal.SIGTERM), Report.on_train_batch_end)
    for owner, name, patched, says, status, steps in (
        (RunFolder, "append", interrupt, "SIGINT.*step 64", 130, [64]),  # the report is finished
        (Report, "on_train_batch_end", terminate, "SIGTERM.*step 100", 143, [64, 100]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, patched)
            with pytest.raises(Stopped, match=says) as stopped:
                train(config)
        assert stopped.value.exit_status == status
        assert [signal.getsignal(number) for number in preemption.NUMBERS] == before
        assert names_in(config) == [f"step-{step:08d}.npz" for step in steps]
        assert [record["step"] for record in RunFolder(config.run_dir).records()] == [64]
    train(config)
    assert_same_outcome(config.run_dir, unbroken.run_dir)  # with the means over the whole period


def test_a_second_signal_takes_effect_at_once(monkeypatch, capfd):
    signals, before = Signals(), signal.getsignal(signal.SIGINT)
    with signals.deferred():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # of a scheduler, to the process and its group
        assert signals.received == signal.SIGINT
        monkeypatch.setattr(preemption, "TOGETHER", 0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == before
    assert capfd.readouterr().err.count("SIGINT") == 1


def test_handlers_are_restored_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signals, term = Signals(), signal.getsignal(signal.SIGTERM)
        with signals.deferred():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGTERM) != term
        assert not signals.received
        assert signal.getsignal(signal.SIGTERM) == term
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_signals_are_left_alone():
    def defer():
        with Signals().deferred():
            pass

    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(defer).result()


def test_a_signal_ends_a_command_at_once(monkeypatch, capfd):
    monkeypatch.setattr(os, "_exit", sys.exit)

    def main():
        with cli.muted_stderr():  # as while the backend is imported
            signal.raise_signal(signal.SIGTERM)

    before = [signal.getsignal(number) for number in preemption.NUMBERS]
    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    assert ended.value.code == 143
    assert capfd.readouterr().err == "SIGTERM: interrupted\n"
    assert [signal.getsignal(number) for number in preemption.NUMBERS] == before


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        (["-m", "acai_tf.data", "digits"], ["-m", "acai_tf", "data", "digits"]),
        (["-X", "dev", "-m", "acai_tf.compare"], ["-X", "dev", "-m", "acai_tf", "compare"]),
        (["-m", "other", "acai_tf.data"], None),  # which imports acai_tf
        (["script.py", "acai_tf.data", "x"], None),
    ],
)
def test_the_commands_of_before_run_with_a_warning(monkeypatch, capsys, words, becomes):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, argv: started.append(argv[1:]))
    rest = words[words.index("-m") + 2 :] if "-m" in words else words[1:]
    monkeypatch.setattr(sys, "argv", ["-m" if "-m" in words else words[0], *rest])
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    importlib.reload(acai_tf)
    assert started == ([becomes] if becomes else [])
    assert ("deprecated" in capsys.readouterr().err) == bool(becomes)


def caught(number: int, process) -> bool:
    """Whether a process has a handler for a signal, as /proc says it."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (number - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_a_signal_at_any_moment_of_the_start_ends_a_command(script, tmp_path, unbroken):
    """SIGINT, and once more a tenth of a second later: importing, loading data, compiling."""
    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    words = {
        "train.py": [*SMALL, "--total_kimg=64", f"--run_dir={tmp_path}/run"],
        "evaluate.py": [f"--run_dir={unbroken.run_dir}", f"--out={tmp_path}/out", "--again"],
    }[script]
    for moment in range(20):
        process = start(script, *words, preexec_fn=default_handlers)
        while not caught(signal.SIGTERM, process):  # Python itself handles SIGINT alone
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        time.sleep(moment * 0.4)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, (moment, out, err)
        assert "Traceback" not in out + err, (moment, err)
        assert err.strip().count("\n") <= 1, (moment, err)


@pytest.mark.slow
def test_several_steps_per_execution_are_the_same_steps(configured, unbroken, monkeypatch):
    config = configured(steps_per_execution=8)
    with monkeypatch.context() as patch:
        told = at_call(10, lambda: signal.raise_signal(signal.SIGTERM), Report.on_train_batch_end)
        patch.setattr(Report, "on_train_batch_end", told)
        with pytest.raises(Stopped, match="saved at step 80"):
            train(config)
    train(configured(steps_per_execution=5))  # 48 steps are left of the period: four at a time
    assert_same_outcome(config.run_dir, unbroken.run_dir)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_command_that_is_stopped_prints_its_step(number, status, tmp_path):
    words = [*SMALL, "--total_kimg=64", f"--run_dir={tmp_path}/run"]
    process = start("train.py", *words, preexec_fn=default_handlers)
    wait_for_reports(tmp_path / "run", 2, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "is saved at step" in err
    assert "Traceback" not in err + out


def wait_for_reports(run_dir: pathlib.Path, count: int, process):
    while len(RunFolder(run_dir).records()) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


# Kills.

SLOW_SAVE = """
import io, pathlib, runpy, sys, time
import numpy as np

savez = np.savez

def slowly(file, **arrays):  # half a second, in which it is killed at any byte
    whole = io.BytesIO()
    savez(whole, **arrays)
    for part in np.array_split(np.frombuffer(whole.getvalue(), np.uint8), 20):
        file.write(part.tobytes())
        file.flush()
        time.sleep(0.025)

np.savez = slowly
script = sys.argv.pop(1)
sys.argv[0] = script
sys.path.insert(0, str(pathlib.Path(script).parent))
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_as_the_unbroken_one(tmp_path):
    """At random moments; five of them while a checkpoint is half written."""
    words = [*SMALL, "--latent=2", "--total_kimg=96"]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"

    def started(run_dir, *command):
        return subprocess.Popen(
            [sys.executable, *command, *words, f"--run_dir={run_dir}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    began = time.monotonic()
    process = started(unbroken, str(ROOT / "train.py"))
    wait_for_reports(unbroken, 1, process)
    first = time.monotonic() - began
    assert process.wait() == 0, process.stderr.read()

    moments, half_written = random.Random(0), 0
    for kill in range(20):
        process = started(broken, "-c", SLOW_SAVE, str(ROOT / "train.py"))
        if kill % 4:
            time.sleep(moments.uniform(0, first + 4))
        else:
            while not list(broken.glob("checkpoints/*.partial")):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.3))
        half_written += bool(list(broken.glob("checkpoints/*.partial")))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    assert half_written >= 5
    process = started(broken, str(ROOT / "train.py"))
    assert process.wait() == 0, process.stderr.read()
    assert_same_outcome(broken, unbroken)


# The disk and the run folder.


def test_a_damaged_checkpoint_and_then_a_full_disk(configured, unbroken, monkeypatch, capsys):
    """The run resumes from the checkpoint before, and ends as if nothing had happened.

    Writing to /dev/full fails as on a full disk.
    """
    if not pathlib.Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    config = configured()
    shutil.copytree(unbroken.run_dir, config.run_dir)
    folder = RunFolder(config.run_dir).checkpoints
    newest = folder / "step-00000128.npz"
    newest.write_bytes(newest.read_bytes()[:1000])
    partial = folder / f".{newest.name}.partial"
    full = at_call(1, lambda: partial.symlink_to("/dev/full"), checkpoints.write)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", full)
        with pytest.raises(CannotSave, match=r"step-00000128\.npz .*No space left") as stopped:
            train(config)
    assert "is damaged" in capsys.readouterr().out
    assert stopped.value.exit_status == 74
    assert names_in(config) == ["step-00000064.npz", "step-00000128.npz"]
    assert not list(folder.glob("*.partial"))
    train(config)
    assert_same_outcome(config.run_dir, unbroken.run_dir)


def test_a_run_folder_that_is_removed_stops_the_run(configured, monkeypatch):
    config = configured(total_kimg=1)
    remove = at_call(1, lambda: shutil.rmtree(config.run_dir), Report._save)
    monkeypatch.setattr(Report, "_save", remove)
    with pytest.raises(CannotSave, match="cannot write"):
        train(config)


def test_a_run_killed_before_it_wrote_config_json_can_be_started(configured):
    folder = RunFolder(configured().run_dir)
    with folder.lock():
        folder.rewind(0)  # here it is killed
    folder.check(configured())


def test_a_half_written_checkpoint_is_removed(configured):
    folder = RunFolder(configured().run_dir)
    folder.checkpoints.mkdir(parents=True)
    (folder.checkpoints / ".step-00000021.npz.partial").write_bytes(b"half")
    folder.begin(configured(), "images")
    assert not list(folder.checkpoints.iterdir())


@pytest.mark.parametrize(
    ("number", "path", "status"),
    [
        (errno.ENAMETOOLONG, ["some/path"], 2),
        (errno.EACCES, ["some/path"], 2),
        (errno.ENOSPC, ["some/path"], 74),
        (errno.ENOSPC, [], 74),  # as a write to an open file says it
    ],
)
def test_an_unusable_path_is_bad_input(number, path, status, capsys):
    def main():
        raise OSError(number, os.strerror(number), *path)

    assert cli.run(main) == status
    says = ": ".join(["error", os.strerror(number), *map(repr, path)])
    assert capsys.readouterr().err == f"{says}\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "digits.npz"
    path.write_text("old")

    def write():
        with replacing(path) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space") as error:
        write()
    assert error.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_home_folder_that_does_not_exist_is_bad_input():
    path = "~nosuchuser/run"
    for take in (
        *(RunFolder, acai_tf.load, acai_tf.load_original, pretrained.resolve, export.resolved),
        lambda path: evaluate_run(None, raw_pixels=True, dataset="lines", out=path),
        lambda path: train(dataset="lines", original=path),
    ):
        with pytest.raises(UsageError, match="home"):
            take(path)


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error(tmp_path):
    words = [*SMALL, "--model=baseline", "--total_kimg=3", f"--run_dir={tmp_path}/run"]
    command = [sys.executable, str(ROOT / "train.py"), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 141
    assert "Traceback" not in err


def test_a_read_only_run_folder_stops_the_run(configured, monkeypatch, permissions_hold):
    config = configured(total_kimg=1)
    lock_up = at_call(1, lambda: os.chmod(config.run_dir, 0o500), RunFolder.append)
    monkeypatch.setattr(RunFolder, "append", lock_up)
    try:
        with pytest.raises(CannotSave, match=r"cannot write .*Permission denied"):
            train(config)
    finally:
        os.chmod(config.run_dir, 0o700)


def test_data_that_disappear_end_the_run_with_their_own_error(configured, monkeypatch):
    config = configured()

    def vanished():
        raise OSError("images cannot be read")

    monkeypatch.setattr(ArrayDataset, "batch_at", at_call(10, vanished, ArrayDataset.batch_at))
    with pytest.raises(OSError, match="images cannot be read"):
        train(config)


# Numbers.


def spoiled(seeds, step=100):
    """`batch_at`, with pixels that are not finite at a step where the order has such a seed."""
    whole = ArrayDataset.batch_at

    def batch_at(self, now, batch, seed):
        drawn = whole(self, now, batch, seed)
        image = drawn["image"].astype(np.float32) / 127.5 - 1
        return {**drawn, "image": image * (np.nan if now == step and seed in seeds else 1)}

    return batch_at


def test_a_loss_that_is_not_finite_stops_the_run_or_rolls_it_back(configured, monkeypatch, capsys):
    config = configured()
    monkeypatch.setattr(ArrayDataset, "batch_at", spoiled({config.seed}))
    with pytest.raises(DivergedError, match=r"no longer finite at step .*--lr"):
        train(config)
    assert names_in(config) == ["step-00000064.npz"]
    model = train(configured(on_nonfinite="rollback"))
    out = capsys.readouterr().out
    assert "no longer finite at step" in out
    assert "rolled back to step 64" in out
    records = RunFolder(config.run_dir).records()
    assert [(r["step"], r.get("rollbacks")) for r in records] == [(64, None), (128, 1)]
    assert np.isfinite(records[-1]["loss_ae"])
    assert model.current_seed != config.seed
    # A run that is loaded or resumed has the count of rollbacks.
    assert train(configured(on_nonfinite="rollback")).rollbacks == 1


@pytest.mark.slow
def test_rollbacks_that_do_not_help_end(configured, monkeypatch):
    config = configured(on_nonfinite="rollback")
    monkeypatch.setattr(ArrayDataset, "batch_at", spoiled(range(2**32)))
    with pytest.raises(DivergedError, match="3 rollbacks"):
        train(config)
    assert names_in(config) == ["step-00000064.npz"]


def test_before_the_first_checkpoint_there_is_nothing_to_roll_back_to(configured, monkeypatch):
    config = configured(on_nonfinite="rollback")
    monkeypatch.setattr(ArrayDataset, "batch_at", spoiled(range(2**32), step=10))
    with pytest.raises(DivergedError, match="no checkpoint"):
        train(config)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({"critic_spread": 3e-9, "loss_adversarial": 0.06}, "spread 3e-09"),
        ({"critic_spread": 0.05, "loss_adversarial": 0.0}, "loss_adversarial 0"),
        ({"critic_spread": 0.012, "loss_adversarial": 0.02}, None),
        ({"loss_adversarial": 0.0}, None),  # the AAE's is another
    ],
)
def test_a_collapsed_critic_is_told_from_one_at_work(scores, says):
    warning = critic.collapsed(scores)
    assert (warning is None) == (says is None)
    if says:
        assert says in warning
        assert "Try a lower --lr" in warning


def test_a_collapsed_critic_is_warned_of_once_each_time(configured, capsys):
    report = Report(configured(), None, RunFolder(configured().run_dir))
    collapsed = {"critic_spread": 1e-9, "loss_adversarial": 0.06}
    for step, scores, warned in (
        (64, collapsed, 0),  # it has hardly begun to learn
        (5000, collapsed, 1),
        (6000, collapsed, 0),
        (7000, {"critic_spread": 0.05, "loss_adversarial": 0.02}, 0),
        (8000, collapsed, 1),
    ):
        report._warn({"step": step, **scores})
        assert capsys.readouterr().out.count("warning: the critic has collapsed") == warned, step
