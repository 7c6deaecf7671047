"""Whatever is in a file, loading it gives an answer or says in one line what is wrong with it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import strategies as st

import acai_tf
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation.results import open_results
from acai_tf.evaluation.target import open_target
from acai_tf.export.exported import read_about
from acai_tf.export.write import export
from acai_tf.loading import load_run
from acai_tf.models import build_model
from acai_tf.models.optimizer import adam
from acai_tf.tools.compare import group, read_run
from acai_tf.training import checkpoints
from acai_tf.training.run_folder import RunFolder
from tests.conftest import tiny
from tests.damage import (
    EXAMPLES,
    JSON,
    NOT_JSON,
    answer,
    archive_of,
    bomb,
    changed_archive,
    changed_json,
    search,
)

resource = pytest.importorskip("resource")  # not on Windows
MEMORY = 1e9  # bytes that all of this may take beyond what it began with
SHAPE = (16, 16, 1)


@pytest.fixture(scope="module", autouse=True)
def little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a dataset, a run on it as training leaves it, and its export; and the model."""
    root = tmp_path_factory.mktemp("whole")
    images, labels = np.zeros((8, *SHAPE), np.uint8), np.arange(8) % 2
    images[::2] = 255
    arrays = {"train_images": images, "train_labels": labels}
    arrays |= {"test_images": images, "test_labels": labels}
    (root / "some.npz").write_bytes(archive_of(**arrays))
    config = tiny.__wrapped__(root)
    config = dataclasses.replace(config, dataset=f"npz:{root / 'some.npz'}", image_size=32)
    model = build_model(config, SHAPE, 2)
    model.compile(optimizer=adam(model, model.config.lr))
    run = RunFolder(config.run_dir)
    run.path.mkdir()
    run.begin(config, "fingerprint", ("0", "1"), SHAPE)
    for step in (64, 128):
        model.optimizer.iterations.assign(step)
        checkpoints.save(run.checkpoints, model)
        run.append({"step": step, "kimg": step // 64, "test_rmse": 1.5, "probe_accuracy": None})
    about = {"model": "acai", "dataset": config.dataset, "step": 128, "kimg": 2, "seed": 0}
    entry = {"scores": {"test_rmse": 1.5}, "figures": ["map"], "seconds": 1, "options": {}}
    evaluators = {"reconstruction": entry, "lines": {"left_out": "it has none"}}
    (run.path / "eval.json").write_text(json.dumps({"about": about, "evaluators": evaluators}))
    export(model, root / "export", ("weights", "keras"), about={"step": 128})
    return root, model


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole[0], tmp_path / "copy")


def values(model):
    return {path: np.asarray(variable) for path, variable in checkpoints.state(model).items()}


def as_json(value) -> bytes:
    return json.dumps(value).encode()


@EXAMPLES
def test_settings(examples, folder):
    run = RunFolder(folder / "run")
    saved = run.saved()

    @search(examples * 8, JSON | st.dictionaries(st.sampled_from([*saved["config"], "x"]), JSON))
    def _(settings):
        answer("", Config.from_dict, settings)

    @search(examples * 2, changed_json(saved))
    def _(text):
        (run.path / "config.json").write_bytes(text)
        answer("config.json", run.config)
        answer("config.json", run.saved)
        answer(run.path, acai_tf.load, run.path)


@EXAMPLES
def test_checkpoints(examples, folder, whole):
    run, model = RunFolder(folder / "run"), whole[1]
    older, newest = checkpoints.checkpoints(run.checkpoints)

    @search(examples * 3, changed_archive(newest.read_bytes()))
    def _(data):
        newest.write_bytes(data)
        before = values(model)
        if answer(newest.name, lambda: checkpoints.restore(newest, model) or "done") is None:
            after = values(model)
            assert all(np.array_equal(before[name], after[name]) for name in before)
        assert checkpoints.restore_newest(run.checkpoints, model) in (64, 128)

    @search(examples, changed_archive(older.read_bytes()))
    def _(data):
        newest.write_bytes(data)
        answer(run.path, load_run, run)
        older.unlink(missing_ok=True)
        answer(run.path, load_run, run)


FILES = ("config.json", "metrics.jsonl", "eval.json", "checkpoints", "lock")
ONES = ("checkpoints/step-00000064.npz", "checkpoints/step-00000128.npz", "evaluations")
HARM = st.tuples(
    st.sampled_from(["remove", "folder", "empty", "junk", "swap"]),
    st.sampled_from([*FILES, *ONES]),
    st.sampled_from([*FILES, *ONES]),
    NOT_JSON,
)


def harm(run, kind, name, other, junk):
    """Do something to a file or a folder of a run."""
    path, other = run / name, run / other
    if kind == "swap":
        if path.exists() and other.exists() and path.parent == other.parent and path != other:
            path.rename(run / "aside")
            other.rename(path)
            (run / "aside").rename(other)
        return
    if not path.parent.is_dir():
        return
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind != "remove":
        path.write_bytes(junk if kind == "junk" else b"")


def measure(run, about):
    """What evaluate.py does to eval.json."""
    with open_results(run, about) as results:
        entry = {"scores": {"test_rmse": 2.0}, "figures": [], "seconds": 1, "options": {"a": 1}}
        for name in ("reconstruction", "lines"):
            results.kept(name, {})
            results.add(name, entry)
        results.scores()


@EXAMPLES
def test_run_folders(examples, whole, tmp_path):
    run = tmp_path / "run"

    @search(examples, st.lists(HARM, min_size=1, max_size=3))
    def _(harms):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole[0] / "run", run)
        for one in harms:
            harm(run, *one)
        answer(run, acai_tf.load, run)
        answer(run, RunFolder(run).records)
        if read := answer(run, read_run, str(run)):
            group([read])
        if opened := answer(run, open_target, str(run), {}, False):
            answer(run, measure, run, opened[1])


@EXAMPLES
def test_reports_and_results(examples, folder):
    run = folder / "run"
    results = json.loads((run / "eval.json").read_text())
    record = RunFolder(run).records()[0]
    words = st.sampled_from(["scores", "figures", "seconds", "left_out", "before", "options"])
    entry = st.dictionaries(words, JSON | st.dictionaries(words, JSON))
    reports = st.dictionaries(st.sampled_from([*record]), JSON).map(lambda new: {**record, **new})

    @search(examples * 3, changed_json(results, "about"), entry, NOT_JSON | reports.map(as_json))
    def _(evaluated, entry, report):
        changed = evaluated.replace(b'{"left_out": "it has none"}', as_json(entry))
        (run / "eval.json").write_bytes(changed)
        (run / "metrics.jsonl").write_bytes(report + b'\n{"step": 64, "kimg": 1}\n')
        answer(run, RunFolder(run).records)
        if read := answer(run, read_run, str(run)):
            group([read])
        config = (run / "config.json").rename(run / "aside")
        if read := answer(run, read_run, str(run)):
            group([read])
        config.rename(run / "config.json")
        answer(run, measure, run, results["about"])


@EXAMPLES
def test_exports(examples, folder):
    export = folder / "export"
    about = json.loads((export / "acai_tf.json").read_text())
    for formats, file in ((["weights"], "weights.npz"), (["keras"], "model.keras")):
        about["formats"] = formats

        @search(examples, changed_json(about))
        def _(text):
            (export / "acai_tf.json").write_bytes(text)
            answer("acai_tf.json", read_about, export)
            answer(export, acai_tf.load, export)

        (export / "acai_tf.json").write_bytes(as_json(about))

        @search(examples, changed_archive((export / file).read_bytes()))
        def _(data):
            (export / file).write_bytes(data)  # noqa: B023 - called at once
            answer(file, acai_tf.load, export)  # noqa: B023


@EXAMPLES
def test_datasets(examples, folder):
    file = folder / "some.npz"

    @search(examples * 3, changed_archive(file.read_bytes()))
    def _(data):
        file.write_bytes(data)
        answer(file, acai_tf.load_dataset, Config(dataset=f"npz:{file}"))


def test_few_bytes_that_are_many_are_not_unpacked(folder, whole, monkeypatch):
    (folder / "some.npz").write_bytes(bomb())
    monkeypatch.setattr("acai_tf.data.npz.free_memory", lambda: 10**7)
    with pytest.raises(UsageError, match=r"some\.npz .*100,.* bytes, 10,000,000 at most"):
        acai_tf.load_dataset(Config(dataset=f"npz:{folder / 'some.npz'}"))
    with pytest.raises(UsageError, match=r"some\.npz is damaged .*at most can be read"):
        checkpoints.restore(folder / "some.npz", whole[1])
