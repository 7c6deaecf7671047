"""What counts of a run, and which runs are one group."""

import dataclasses
import json
import math
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation import results as evaluation
from acai_tf.run_folder import RunFolder

LAST, PUBLISHED = 20, 256  # reports whose median counts, of so many
NOT_A_SCORE = {"step", "kimg", "images_per_second"}
NOT_OF_A_GROUP = {"seed", "run_dir", "data_dir", "cache_dir", "original"}


@dataclasses.dataclass
class Run:
    """One run's scores.

    Attributes:
        path: its folder.
        settings: what tells its group from others.
        records: its reports.
        scores: name -> value.
        kimg: how far it is; None: it was not trained.
    """

    path: pathlib.Path
    settings: dict
    records: list[dict]
    scores: dict[str, float]
    kimg: float | None


def read_run(path: str, last: int | None = None) -> Run:
    """A run folder, or one that evaluate.py wrote for something else.

    Args:
        path: the folder.
        last: as `last_reports` takes it.

    Raises:
        UsageError: it is neither, or has no finished report and no eval.json yet.
    """
    folder = RunFolder(path)
    evaluated = evaluation.read(folder.path)
    measured = evaluation.scores(evaluated["evaluators"]) if evaluated else {}
    if not (folder.path / "config.json").exists() and evaluated:
        about = evaluated["about"]
        settings = {name: about[name] for name in ("model", "dataset")}
        return Run(folder.path, settings, [], measured, about.get("kimg"))
    config = folder.config().to_dict()
    records = folder.records()
    if not records and not measured:
        raise UsageError(f"{path} has no finished report yet")
    settings = {name: value for name, value in config.items() if name not in NOT_OF_A_GROUP}
    settings.pop("total_kimg")  # how far it is counts, not how far it is to go
    kimg = records[-1]["kimg"] if records else evaluated["about"].get("kimg")
    return Run(folder.path, settings, records, measured | last_reports(records, last), kimg)


def last_reports(records: list[dict], last: int | None = None) -> dict[str, float]:
    """Of each reported score the median over the last reports; those undefined do not count.

    Args:
        records: a run's reports.
        last: how many; None: 20 of 256, as published, or the same share of fewer.
    """
    if last is None:
        last = min(LAST, max(1, round(len(records) * LAST / PUBLISHED)))
    scores = {}
    for name in records[-1] if records else ():
        values = [record.get(name) for record in records[-last:]]
        values = [value for value in values if value is not None]
        if name not in NOT_A_SCORE:
            scores[name] = float(np.median(values)) if values else float("nan")
    return scores


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
        names[" ".join(words)] = members
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
