"""What has been measured of one context: eval.json, written after each evaluator.

{"about": what was evaluated: model, dataset, images, step, weights ...,
 "evaluators": {name: {"scores": {name: value or null}, "figures": [name], "seconds", "options",
                       "code", "before": what it replaced}
                or {"left_out": why}}}

What was measured of other weights or images lies in evaluations/, and comes back with them.
"""

import contextlib
import hashlib
import json
import math
import os
import pathlib
import re
import sys
from collections.abc import Iterator

from acai_tf import pretrained
from acai_tf.errors import UsageError
from acai_tf.evaluation import code_hash
from acai_tf.files import expanded, hold, unwritable, write_atomically

FILE = "eval.json"
ALL = ("figures", "report.html", FILE)  # eval.json last: without the others it is measured again


class Results:
    """The results in a folder that are of this very context; `open_results` makes it.

    Args:
        folder: where eval.json is.
        about: what is evaluated; results of something else are put aside.
    """

    def __init__(self, folder: pathlib.Path, about: dict):
        self.folder, self.about, self.evaluators = folder, about, {}
        before = read(folder)
        if before is None and (folder / FILE).exists():
            aside = _free(folder / "eval-unreadable.json")
            os.replace(folder / FILE, aside)
            print(f"{folder / FILE} is of an older kind or damaged; it is now {aside}")
        if before and before["about"] != about:
            _move(folder, _aside(folder, before["about"]))
            print("what was measured before is of other weights or images; it is kept aside")
            before = None
        if before is None and (own := _aside(folder, about)).is_dir():
            _move(own, folder)
            before = read(folder)
        if before:
            self.evaluators = before["evaluators"]

    def kept(self, name: str, options: dict) -> bool:
        """Whether an evaluator's results are there already, of this code and these options."""
        entry = self.evaluators.get(name, {})
        same = (entry.get("options"), entry.get("code")) == (options, code_hash(name))
        return same and all(self.figure(title).is_file() for title in entry["figures"])

    def figure(self, title: str) -> pathlib.Path:
        """Where a figure is kept."""
        return self.folder / "figures" / f"{title}.png"

    def add(self, name: str, entry: dict) -> None:
        """Set an evaluator's results, and write all; scores that were there are kept within."""
        before = self.evaluators.get(name, {})
        older = before if before.get("options") != entry.get("options") else before.get("before")
        if older and older.get("scores"):
            entry = {**entry, "before": {k: v for k, v in older.items() if k != "before"}}
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
        UsageError: the folder or a file in it cannot be written, now or within the context.
        CannotSave: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder / "eval.lock", f"another process writes to {folder}; waiting")
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder} ({error.strerror}); --out names another folder"
        ) from error
    with lock:
        try:
            yield Results(folder, about)
        except OSError as error:  # something else has the name of a file or folder of ours
            path = error.filename2 or error.filename or folder
            raise unwritable(error)(
                f"cannot write {path} ({error.strerror or error}); move what is in the way, free"
                " some space, or give another --out"
            ) from error


def of_export(path: str, model: str) -> pathlib.Path:
    """The folder of an export's results: evaluation/ in it; of a pretrained one, in runs/.

    Args:
        path: its folder.
        model: "acai", say.
    """
    folder = expanded(path)
    if pretrained.is_pretrained(path):
        return pathlib.Path("runs", "pretrained", model, folder.name)
    return folder / "evaluation"


def read(folder: pathlib.Path) -> dict | None:
    """What is in eval.json; None where there is none, or of an older kind."""
    try:
        saved = json.loads((folder / FILE).read_text())
        whole = isinstance(saved["about"], dict) and all(map(_whole, saved["evaluators"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return saved if whole else None


def scores(evaluators: dict) -> dict[str, float]:
    """All scores of eval.json's "evaluators" by their names; NaN where one is not defined."""
    return {
        name: float("nan") if value is None else value
        for entry in evaluators.values()
        for name, value in entry.get("scores", {}).items()
    }


def _whole(entry) -> bool:
    """Whether this is an evaluator's entry."""
    if not isinstance(entry, dict) or not isinstance(entry.get("before", {}), dict):
        return False
    if "left_out" in entry:
        return isinstance(entry["left_out"], str) and not {"scores", "options"} & set(entry)
    numbers = all(v is None or _is_number(v) for v in entry["scores"].values())
    titles = isinstance(entry["figures"], list) and all(map(_is_title, entry["figures"]))
    return numbers and titles and _is_number(entry["seconds"])


def _is_number(value) -> bool:
    """Whether it is one that a float can hold."""
    return isinstance(value, (int, float)) and not abs(value) > sys.float_info.max


def _is_title(value) -> bool:
    """Whether a figure can be called so: it becomes the name of a file, beside the others."""
    return isinstance(value, str) and re.fullmatch(r"[\w-]{1,60}", value) is not None


def _aside(folder: pathlib.Path, about: dict) -> pathlib.Path:
    """Where the results of a context lie while another's are in the folder itself."""
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return folder / "evaluations" / key[:8]


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in ALL:
        if (source / name).exists():
            os.replace(source / name, target / name if name == FILE else _free(target / name))


def _free(path: pathlib.Path) -> pathlib.Path:
    """This name, or the next that nothing has: a.json, a-1.json, ..."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(1, 10_000))
    return path if not path.exists() else next(name for name in names if not name.exists())


def _finite(value):
    """The same, with null for numbers that JSON has no name for."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
