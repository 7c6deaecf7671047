"""A run's folder: what it contains, and which run it belongs to.

config.json       the configuration, the images' fingerprint, package versions, threads
metrics.jsonl     one line per report
checkpoints/      step-N.npz
sheets/           reconstructions, lerp, slerp and prior samples at every report
tensorboard/      the same as scalars and images
saved_model/      the finished model, on TensorFlow only
eval.json         what evaluate.py measured; figures/ and report.html show it
"""

import contextlib
import importlib.metadata
import json
import math
import os
import platform
import re
import sys

from acai_tf.config import EXECUTION_SETTINGS, Config
from acai_tf.data import ARRAYS, short_name
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.files import expanded, hold, write_atomically
from acai_tf.training.checkpoints import checkpoints

_LOCK = "lock"
_LEFTOVERS = {_LOCK, ".config.json.partial"}  # of a run killed before it wrote config.json
_PACKAGES = ("acai_tf", "keras", "numpy")


class RunFolder:
    """One run's folder. Creating this object writes nothing.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = expanded(path)
        self.checkpoints = self.path / "checkpoints"
        self.sheets = self.path / "sheets"
        self.tensorboard = self.path / "tensorboard"
        self._config = self.path / "config.json"
        self._metrics = self.path / "metrics.jsonl"

    def config(self) -> Config:
        """The run's configuration.

        Raises:
            UsageError: this is not a run folder, or its config.json cannot be read.
        """
        return Config.from_dict(self.saved()["config"])

    def saved(self) -> dict:
        """All of config.json: "config", "images", "class_names", "image_shape", "versions" and
        "threads"; raises as `config`."""
        try:
            saved = json.loads(self._config.read_text())
            Config.from_dict(saved["config"])
            return saved
        except FileNotFoundError:
            reason = "it has no config.json" if self.path.is_dir() else "it does not exist"
            raise UsageError(f"{self.path} is not a run folder: {reason}") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(f"{self._config} cannot be read ({error})") from error

    def images(self) -> str | None:
        """The fingerprint of the images that the run started with; None: not recorded."""
        return self.saved().get("images")

    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary of tokens that the run started with. Raises as `config`."""
        shapes = self.shapes()
        return shapes and shapes[2]

    def shapes(self) -> tuple[tuple[int, ...], int, Vocabulary | None] | None:
        """The images' shape, as in `Dataset`, the number of classes, and the vocabulary of tokens;
        None: an older run, which did not record them. Raises as `config`."""
        saved = self.saved()
        if "image_shape" not in saved:
            return None
        try:
            shape = tuple(int(length) for length in saved["image_shape"])
            if len(shape) not in (1, 2, 3) or min(shape) < 1:
                raise ValueError(f"image_shape {saved['image_shape']}")
            return shape, len(saved["class_names"]), Vocabulary.from_dict(saved.get("vocabulary"))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise UsageError(f"{self._config} cannot be read ({error})") from error

    def check(self, config: Config, images: str | None = None) -> None:
        """Check that `config` may be trained in this folder. Writes nothing.

        Args:
            config: the run's settings.
            images: the training images' fingerprint; None: not known yet.

        Raises:
            UsageError: the folder holds a run of another configuration (says what differs) or
                something else.
        """
        if self._config.exists():
            if different := self._differences(config, images):
                raise UsageError(
                    f"{self.path} holds a run of another configuration: {'; '.join(different)};"
                    " give another --run_dir"
                )
        elif self.path.is_dir() and {path.name for path in self.path.iterdir()} - _LEFTOVERS:
            raise UsageError(
                f"{self.path} is not empty and is not a run folder; give another --run_dir"
            )

    def _differences(self, config: Config, images: str | None) -> list[str]:
        """How `config` differs from the saved one, in settings that may not change in a run."""
        old, new = self.config().to_dict(), config.to_dict()
        may_differ = {*EXECUTION_SETTINGS}
        if config.schedule != "cosine":  # with it every step depends on the length
            may_differ.add("total_kimg")
        if checkpoints(self.checkpoints):
            may_differ.add("original")  # was only the starting point
        datasets = [short_name(settings["dataset"]) for settings in (old, new)]
        same_images = images is None or self.images() in (None, images)
        if same_images and (datasets[0] == datasets[1] or ARRAYS in datasets):
            may_differ.add("dataset")  # the same images from elsewhere: mnist, npz:mnist.npz
        different = [
            f"{name} is {old[name]!r} there, {new[name]!r} here"
            for name in new
            if name not in may_differ and old[name] != new[name]
        ]
        if datasets == [ARRAYS, ARRAYS] and not same_images:
            different.append("the images differ")
        return different

    @contextlib.contextmanager
    def lock(self):
        """Create the folder and keep other processes from training in it within this context.

        The operating system releases the lock of a process that is killed.

        Raises:
            UsageError: another process is training here, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = hold(self.path / _LOCK)
        except BlockingIOError:
            raise UsageError(f"another process is training in {self.path}") from None
        except OSError as error:
            raise UsageError(
                f"cannot write to --run_dir={self.path} ({error.strerror}); give another"
            ) from error
        with lock:
            yield

    def begin(
        self,
        config: Config,
        images: str,
        class_names: tuple[str, ...] = (),
        image_shape: tuple[int, ...] | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Write config.json, and print what changed since the run was last started.

        Args:
            config: the run's settings.
            images: the training images' fingerprint.
            class_names: of the labels.
            image_shape: [H, W, C], [T, C] of signals, or [T] of tokens.
            vocabulary: of tokens.
        """
        from acai_tf.training import distribution  # imports keras, which takes seconds

        versions, threads = _versions(), distribution.threads()
        if self._config.exists():
            saved = self.saved()
            if (dataset := saved["config"]["dataset"]) != config.dataset:
                print(f"the dataset of this run was {dataset}, it is now {config.dataset}")
            if saved.get("images") not in (None, images):
                print("the training data are not those that this run started with")
            images = saved.get("images") or images
            old = {**saved.get("versions", {}), "threads": saved.get("threads", threads)}
            new = {**versions, "threads": threads}
            if changed := [f"{n} {old.get(n)} -> {new[n]}" for n in new if new[n] != old.get(n)]:
                print(f"warning: {', '.join(changed)}: results may differ in their last bits")
        for partial in self.checkpoints.glob("*.partial"):  # of a run that was killed
            partial.unlink()
        saved = {
            "config": config.to_dict(),
            "images": images,
            "class_names": list(class_names),
            **({"image_shape": list(image_shape)} if image_shape else {}),
            **({"vocabulary": vocabulary.to_dict()} if vocabulary else {}),
            "versions": versions,
            "threads": threads,
        }
        write_atomically(self._config, json.dumps(saved, indent=2) + "\n")

    def append(self, record: dict) -> None:
        """Add one report to metrics.jsonl; values that are not finite become null."""
        with open(self._metrics, "a") as file:
            file.write(json.dumps({k: _finite_or_none(v) for k, v in record.items()}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> list[dict]:
        """The reports so far; a last line that a kill cut short is left out.

        Raises:
            UsageError: another line is not a report.
        """
        if not self._metrics.exists():
            return []
        try:
            lines = self._metrics.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"{self._metrics} cannot be read ({error.strerror})") from error
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                if None in (record["step"], record["kimg"]) or not _all_numbers(record):
                    raise ValueError
            except (ValueError, KeyError, TypeError, RecursionError):
                if number == len(lines):
                    break
                raise UsageError(
                    f"{self._metrics}, line {number}, is not a report; fix or remove the line"
                ) from None
            records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop the reports after `step`, from where the run is resumed.

        Raises:
            UsageError: there are reports, but their checkpoints are gone.
        """
        records = self.records()
        if not step and len(records) > 1:  # one: a kill between the first report and checkpoint
            raise UsageError(
                f"{self.path} has reports up to kimg {records[-1]['kimg']} and no checkpoint;"
                " put checkpoints/ back or give another --run_dir"
            )
        if self._metrics.exists():
            kept = [json.dumps(record) + "\n" for record in records if record["step"] <= step]
            write_atomically(self._metrics, "".join(kept))


def default_run_dir(config: Config, sequences: bool = False) -> str:
    """runs/<dataset>/<model>-d<code size>-seed<seed>.

    `sequences`: whether the data are signals or tokens, if the dataset's name does not tell.
    """
    size = config.latent * config.latent_width if sequences else config.code_size
    parts = [config.model, *filter(None, (config.regularizers, config.corruption))]
    if config.networks != "paper":
        parts.append(config.networks)
    if config.init:
        parts.append(f"from-{os.path.basename(config.init)}")
    name = re.sub(r"[^\w.=+-]+", "-", "+".join(parts)).strip("-")
    return f"runs/{short_name(config.dataset)}/{name}-d{size}-seed{config.seed}"


def _versions() -> dict[str, str]:
    import keras  # takes seconds

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for name in (*_PACKAGES, keras.backend.backend()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _all_numbers(record: dict) -> bool:
    """Whether all values are null or numbers that a float can represent."""
    values = [value for value in record.values() if value is not None]
    return all(abs(value) <= sys.float_info.max for value in values)  # TypeError: not a number


def _finite_or_none(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value
