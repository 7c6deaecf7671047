"""What has been measured of one subject: eval.json, written after each evaluator.

{"about": what was evaluated: model, dataset, images, step ...,
 "evaluators": {name: {"scores": {name: value or null}, "figures": [name], "seconds", "options",
                       "version"}
                or {"left_out": why}}}
"""

import contextlib
import json
import math
import os
import pathlib
from collections.abc import Iterator

import acai_tf
from acai_tf.errors import UsageError
from acai_tf.files import hold, write_atomically

FILE = "eval.json"


class Results:
    """The results in a folder that are of this very subject; `open_results` makes it.

    Args:
        folder: where eval.json is.
        about: what is evaluated; results of something else are put aside.
    """

    def __init__(self, folder: pathlib.Path, about: dict):
        self.folder, self.about, self.evaluators = folder, about, {}
        before = read(folder)
        if before and before["about"] == about:
            self.evaluators = before["evaluators"]
        elif before:
            aside = folder / f"eval-step-{before['about'].get('step', 0):08d}.json"
            os.replace(folder / FILE, aside)
            print(f"what was measured before, of other weights or images, is now {aside}")

    def kept(self, name: str, options: dict) -> bool:
        """Whether an evaluator's results are there already, of this version and these options."""
        entry = self.evaluators.get(name, {})
        same = (entry.get("options"), entry.get("version")) == (options, acai_tf.__version__)
        figures = [self.folder / "figures" / f"{figure}.png" for figure in entry.get("figures", [])]
        return same and all(path.exists() for path in figures)

    def add(self, name: str, entry: dict) -> None:
        """Set an evaluator's results, and write all."""
        self.evaluators[name] = entry
        saved = {"about": self.about, "evaluators": self.evaluators}
        write_atomically(self.folder / FILE, json.dumps(_finite(saved), indent=2) + "\n")

    def scores(self) -> dict[str, float]:
        """All scores by their names; NaN where one is not defined."""
        return scores(self.evaluators)


@contextlib.contextmanager
def open_results(folder: pathlib.Path, about: dict) -> Iterator[Results]:
    """The `Results` in a folder, which no other process writes meanwhile.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder / "eval.lock", f"another process writes to {folder}; waiting")
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder} ({error.strerror}); --out names another folder"
        ) from error
    with lock:
        yield Results(folder, about)


def read(folder: pathlib.Path) -> dict | None:
    """What is in eval.json; None where there is none, or of an older kind."""
    try:
        saved = json.loads((folder / FILE).read_text())
        about, evaluators = saved["about"], saved["evaluators"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return saved if isinstance(about, dict) and isinstance(evaluators, dict) else None


def scores(evaluators: dict) -> dict[str, float]:
    """All scores of eval.json's "evaluators" by their names; NaN where one is not defined."""
    return {
        name: float("nan") if value is None else value
        for entry in evaluators.values()
        for name, value in entry.get("scores", {}).items()
    }


def _finite(value):
    """The same, with null for numbers that JSON has no name for."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
