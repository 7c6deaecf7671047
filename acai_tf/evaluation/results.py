"""eval.json: what was measured of one context, written after each evaluator.

{"about": what was evaluated: model, dataset, images, step, weights ...,
 "evaluators": {name: {"scores": {name: value or null}, "figures": [name], "seconds", "options",
                       "texts": {name: text}, "code": a hash}
                or {"left_out": why}}}

Results are reused for the same weights, images, options and code. An eval.json of something else is
moved into evaluations/.
"""

import contextlib
import json
import math
import os
import pathlib
import zlib
from collections.abc import Iterator

from acai_tf import pretrained
from acai_tf.evaluation import code_hash
from acai_tf.files import expanded, hold, unwritable, write_atomically

FILE = "eval.json"


class Results:
    """The results of a context in a folder; `open_results` makes it.

    Args:
        folder: of eval.json.
        about: what is evaluated.
    """

    def __init__(self, folder: pathlib.Path, about: dict):
        self.folder, self.about, self.evaluators = folder, about, {}
        earlier, file = read(folder), folder / FILE
        if earlier and earlier["about"] == about:
            self.evaluators = earlier["evaluators"]
        elif file.exists():
            aside = folder / "evaluations" / f"{zlib.crc32(file.read_bytes()):08x}" / FILE
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, aside)
            print(f"{file} is of other weights or images, or damaged; moved to {aside}")

    def kept(self, name: str, options: dict) -> bool:
        """Whether there are results of an evaluator with its present code and these options."""
        entry = self.evaluators.get(name, {})
        same = (entry.get("options"), entry.get("code")) == (options, code_hash(name))
        return same and all(self.figure(title).is_file() for title in entry["figures"])

    def figure(self, title: str) -> pathlib.Path:
        """The file of a figure."""
        return self.folder / "figures" / f"{title}.png"

    def add(self, name: str, entry: dict) -> None:
        """Set an evaluator's results, and write eval.json."""
        if "scores" in entry:  # JSON has no NaN
            scores = {k: v if math.isfinite(v) else None for k, v in entry["scores"].items()}
            entry = {**entry, "scores": scores}
        self.evaluators[name] = entry
        saved = {"about": self.about, "evaluators": self.evaluators}
        write_atomically(self.folder / FILE, json.dumps(saved, indent=2) + "\n")

    def scores(self) -> dict[str, float]:
        """All scores; NaN where one is undefined."""
        return scores(self.evaluators)


@contextlib.contextmanager
def open_results(folder: pathlib.Path, about: dict) -> Iterator[Results]:
    """The `Results` in a folder, locked against other processes.

    Raises UsageError if a file cannot be written, now or within the context, CannotSave if the disk
    is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder / "eval.lock", f"another process writes to {folder}; waiting"):
            yield Results(folder, about)
    except OSError as error:
        path = error.filename2 or error.filename or folder
        raise unwritable(error)(
            f"cannot write {path} ({error.strerror or error}); free some space, move what is in the"
            " way, or choose another folder with --out"
        ) from error


def of_export(path: str, model: str) -> pathlib.Path:
    """The folder for results of an export of a model ("acai"): evaluation/ in the export's `path`;
    of a pretrained one, in runs/."""
    folder = expanded(path)
    if pretrained.is_pretrained(path):
        return pathlib.Path("runs", "pretrained", model, folder.name)
    return folder / "evaluation"


def read(folder: pathlib.Path) -> dict | None:
    """The contents of eval.json; None if there is none, or it is damaged."""
    try:
        saved = json.loads((folder / FILE).read_text())
        saved["about"].keys()
        for entry in saved["evaluators"].values():
            if "left_out" not in entry:
                entry["scores"], entry["figures"], entry["seconds"]  # KeyError if missing
            numbers = [*entry.get("scores", {}).values(), entry.get("seconds", 0)]
            [math.isfinite(number) for number in numbers if number is not None]
            "".join([*entry.get("figures", []), *entry.get("texts", {}).values()])
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return None
    return saved


def scores(evaluators: dict) -> dict[str, float]:
    """All scores of eval.json's "evaluators"; NaN where one is undefined."""
    return {
        name: float("nan") if value is None else value
        for entry in evaluators.values()
        for name, value in entry.get("scores", {}).items()
    }
