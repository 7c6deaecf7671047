"""What counts of a run, and which runs are one group."""

import dataclasses
import json
import math
import pathlib
import shlex
import sys

import numpy as np

from acai_tf import pretrained
from acai_tf.config import EXECUTION_SETTINGS, KIMG, Config
from acai_tf.errors import UsageError
from acai_tf.evaluation import AT_REPORTS, EVALUATORS, load_evaluator
from acai_tf.evaluation import results as evaluation
from acai_tf.export.exported import read_about
from acai_tf.files import expanded
from acai_tf.loading import is_export
from acai_tf.training.run_folder import RunFolder

LAST, PUBLISHED = 20, 256  # reports whose median counts, of so many
NOT_A_SCORE = {"step", "kimg", "images_per_second"}
# Whose run it is, where things lie, and how far it is (kimg counts, not total_kimg).
NOT_OF_A_GROUP = {
    *(*EXECUTION_SETTINGS, "seed", "original", "total_kimg"),
    *("images", "step", "kimg", "weights"),
}


@dataclasses.dataclass
class Run:
    """One run's scores.

    Attributes:
        path: its folder.
        settings: what tells its group from others.
        records: its reports.
        scores: name -> value.
        kimg: how far it is; None: it was not trained.
        seed: its seed; None: it does not say.
        evaluated: the evaluators that have been run on it.
        again: the options with which evaluate.py evaluates it; None: not known.
    """

    path: pathlib.Path
    settings: dict
    records: list[dict]
    scores: dict[str, float]
    kimg: float | None
    seed: int | None
    evaluated: frozenset[str] = frozenset()
    again: list[str] | None = None


def read_run(path: str, last: int | None = None) -> Run:
    """A run, an export, a pretrained model, or what evaluate.py wrote of something else.

    Args:
        path: the folder, or a pretrained model's name.
        last: as `last_reports` takes it.

    Raises:
        UsageError: it is none of these, or has no finished report and no eval.json yet.
    """
    path = pretrained.resolve(path)
    if is_export(path):
        return _read_export(path)
    folder = RunFolder(path)
    evaluated = evaluation.read(folder.path) or {"about": {}, "evaluators": {}}
    about, measured = evaluated["about"], evaluation.scores(evaluated["evaluators"])
    if not (folder.path / "config.json").exists() and about:
        _check(about, folder.path / evaluation.FILE)
        settings = _of_a_group(about)
        again = None
        if about["model"] == "raw pixels":
            again = ["--raw_pixels", f"--dataset={about['dataset']}", f"--out={folder.path}"]
        names = frozenset(evaluated["evaluators"])
        kimg, seed = about.get("kimg"), about.get("seed")
        return Run(folder.path, settings, [], measured, kimg, seed, names, again)
    config, records = folder.config().to_dict(), folder.records()
    if not records:
        raise UsageError(f"{path} has no finished report yet")
    evaluators = _evaluators(folder.path, config, records[-1]["step"])
    settings = _of_a_group(config)
    scores = evaluation.scores(evaluators) | last_reports(records, last)
    kimg, again = records[-1]["kimg"], [f"--run_dir={folder.path}"]
    evaluated = frozenset(evaluators)
    return Run(folder.path, settings, records, scores, kimg, config["seed"], evaluated, again)


def _of_a_group(settings: dict) -> dict:
    """The settings that runs of one group have in common."""
    return {name: value for name, value in settings.items() if name not in NOT_OF_A_GROUP}


def _read_export(path: str) -> Run:
    """An export or a pretrained model: the scores it came with, and what was measured since."""
    about = read_about(path)
    config, kimg = about["config"].to_dict(), about["step"] * about["config"].batch / KIMG
    kimg = int(kimg) if kimg == int(kimg) else kimg
    evaluators = _evaluators(evaluation.of_export(path, config["model"]), config, about["step"])
    own = about.get("scores") if isinstance(about.get("scores"), dict) else {}
    own = {
        name: float(value)
        for name, value in own.items()
        if isinstance(value, (int, float)) and name not in NOT_A_SCORE
    }
    settings = _of_a_group(config)
    scores, folder, name = own | evaluation.scores(evaluators), expanded(path), path
    if pretrained.is_pretrained(path):
        name = folder.resolve().relative_to(pretrained.FOLDER).as_posix()
    evaluated, again = frozenset(evaluators), [f"--run_dir={name}"]
    return Run(folder, settings, [], scores, kimg, config["seed"], evaluated, again)


def _evaluators(folder: pathlib.Path, config: dict, step: int) -> dict:
    """The "evaluators" of a folder's eval.json; {} where they are of other weights or images."""
    evaluated = evaluation.read(folder) or {"about": {}, "evaluators": {}}
    about = evaluated["about"]
    now = {"model": config["model"], "dataset": config["dataset"], "step": step}
    others = [f"{name} {about.get(name)}" for name in now if about.get(name) != now[name]]
    if not others:
        return evaluated["evaluators"]
    if evaluated["evaluators"]:
        then = ", ".join(others)
        print(f"{folder}: what evaluate.py measured is of {then}; left out", file=sys.stderr)
    return {}


def commands(runs: list[Run], shown: list[str]) -> list[str]:
    """The commands that measure the scores that runs lack."""
    of = {
        score: name for name in EVALUATORS for score in getattr(load_evaluator(name), "SCORES", {})
    }
    found = []
    for run in runs:
        missing = {of[score] for score in shown if score in of and score not in run.scores}
        missing -= run.evaluated  # it does not apply
        if run.records:
            missing -= set(AT_REPORTS)
        if missing and run.again:
            names = ",".join(name for name in EVALUATORS if name in missing)
            found.append(shlex.join(["python", "evaluate.py", *run.again, f"--evaluators={names}"]))
    return found


def _check(about: dict, file: pathlib.Path) -> None:
    """Raises UsageError where a file does not say what was evaluated."""
    words = [about.get(name) for name in ("model", "dataset")]
    numbers = [about[name] for name in ("kimg", "seed") if about.get(name) is not None]
    finite = (isinstance(n, (int, float)) and abs(n) <= sys.float_info.max for n in numbers)
    if not all(isinstance(word, str) for word in words) or not all(finite):
        raise UsageError(f"{file} does not say what it is of: it was changed, or is damaged")


def last_reports(records: list[dict], last: int | None = None) -> dict[str, float]:
    """Of each reported score the median over the last reports; those undefined do not count.

    Args:
        records: a run's reports.
        last: how many; None: 20 of 256, as published, or the same share of fewer.
    """
    last = last or share(len(records))
    scores = {}
    for name in records[-1] if records else ():
        values = [record.get(name) for record in records[-last:]]
        values = [value for value in values if value is not None]
        if name not in NOT_A_SCORE:
            scores[name] = float(np.median(values)) if values else float("nan")
    return scores


def share(reports: int) -> int:
    """How many of so many reports count: 20 of 256, the same share of fewer, one at least."""
    return min(LAST, max(1, round(reports * LAST / PUBLISHED)))


def group(runs: list[Run]) -> dict[str, list[Run]]:
    """Runs that differ in their seed alone, by a name that says what the group is."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([run.settings, run.kimg], sort_keys=True)
        groups.setdefault(key, []).append(run)
    firsts = [members[0] for members in groups.values()]
    names = {}
    for first, members in zip(firsts, groups.values(), strict=True):
        peers = [one for one in firsts if one.settings["model"] == first.settings["model"]]
        words = [first.settings["model"]]
        if len({one.settings["dataset"] for one in firsts}) > 1:
            words.append(first.settings["dataset"])
        defaults = Config().to_dict()
        for setting, value in first.settings.items():
            others = [one.settings.get(setting, defaults.get(setting)) for one in peers]
            if setting not in ("model", "dataset") and any(value != other for other in others):
                words.append(f"{setting}={value}")
        if any(one.kimg != first.kimg for one in firsts) and first.kimg is not None:
            words.append(f"{first.kimg:g} kimg")
        name = " ".join(words)
        names[name if name not in names else f"{name} {first.path}"] = members
        for run in members:
            same = [str(other.path) for other in members if other.seed == run.seed]
            if len(same) > 1 and same[0] == str(run.path):
                print(f"of the same seed {run.seed}: {', '.join(same)}", file=sys.stderr)
    return names


def summarise(members: list[Run]) -> dict[str, tuple[float, float, int]]:
    """Score -> (mean, population standard deviation, number of seeds) over a group.

    Runs in which a score is undefined do not count.
    """
    summary = {}
    for name in dict.fromkeys(name for run in members for name in run.scores):
        values = [run.scores[name] for run in members if name in run.scores]
        values = [value for value in values if math.isfinite(value)]
        if values:
            summary[name] = (float(np.mean(values)), float(np.std(values)), len(values))
    return summary
