"""What the runs of a row reached."""

import dataclasses
import math
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.evaluation import results as evaluation
from acai_tf.tools.compare.runs import last_reports
from acai_tf.tools.reproduce.grid import Row
from acai_tf.tools.reproduce.published import Score
from acai_tf.training.run_folder import RunFolder


@dataclasses.dataclass
class Obtained:
    """What the runs of a row reached.

    Attributes:
        row: the row.
        scores: for each seed that came to its end, a value for each column; NaN: not defined, or
            not measured.
        speed: images per second of each.
        unfinished: seed -> the kimg that it is at.
        folders: of all these runs.
        curves: the reports of those that came to their end, up to there.
    """

    row: Row
    scores: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    speed: dict[int, float] = dataclasses.field(default_factory=dict)
    unfinished: dict[int, int] = dataclasses.field(default_factory=dict)
    folders: list[pathlib.Path] = dataclasses.field(default_factory=list)
    curves: list[list[dict]] = dataclasses.field(default_factory=list)

    def of(self, column: int) -> list[float]:
        """A column's values: those that are defined."""
        values = (scores[column] for scores in self.scores.values())
        return [value for value in values if math.isfinite(value)]


def obtained(
    row: Row, columns: tuple[Score, ...], kept: pathlib.Path, n_init: int | None = None
) -> Obtained:
    """Read the runs of a row; longer ones count by their reports up to the row's length.

    Args:
        row: the row.
        columns: its table's.
        kept: the folder of runs that `write` kept, for those that are not in their own.
        n_init: as `measured` takes it.
    """
    found = Obtained(row)
    for seed, config in enumerate(row.configs):
        own = pathlib.Path(config.run_dir)
        runs = [_read(folder, config) for folder in (own, kept / row.dataset / own.name)]
        folder, records = max(runs, key=lambda run: len(run[1]))  # their own, of two as long
        records = [record for record in records if record["kimg"] <= row.kimg]
        if not records:
            continue
        found.folders.append(folder)
        if records[-1]["kimg"] < row.kimg:
            found.unfinished[seed] = records[-1]["kimg"]
            continue
        scores = {**measured(folder, row.kimg, n_init), **last_reports(records)}
        found.scores[seed] = [
            column.times * scores.get(column.name, float("nan")) for column in columns
        ]
        speeds = [record.get("images_per_second") for record in records]
        found.speed[seed] = float(np.nanmedian(np.array(speeds, float)))
        found.curves.append(records)
    return found


def _read(folder: pathlib.Path, config: Config) -> tuple[pathlib.Path, list[dict]]:
    """A folder and its reports; none where it holds no run of these settings."""
    run = RunFolder(folder)
    try:
        if not folder.exists():
            return folder, []
        run.check(config)
        return folder, run.records()
    except UsageError:
        return folder, []


def measured(folder: pathlib.Path, kimg: int, n_init: int | None = None) -> dict[str, float]:
    """What evaluate.py measured of a run when it was at this kimg; {} where it has not.

    Args:
        n_init: only if k-means had so many restarts; None: any number.
    """
    for place in (folder, *sorted(folder.glob("evaluations/*"))):  # of earlier weights: aside
        saved = evaluation.read(place) or {"about": {}, "evaluators": {}}
        scores = evaluation.scores(saved["evaluators"])
        same = n_init is None or scores.get("clustering_n_init") == n_init
        if same and saved["about"].get("kimg") == kimg:
            return scores
    return {}
