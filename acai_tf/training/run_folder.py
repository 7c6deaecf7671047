"""One folder per run: what is in it, and whose it is.

config.json       the configuration, the images' fingerprint, package versions, threads
metrics.jsonl     one line per report
checkpoints/      step-N.npz
sheets/           reconstructions, lerp, slerp and prior samples at every report
tensorboard/      the same as scalars and images
saved_model/      the finished model, for TensorFlow alone
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
from acai_tf.errors import CannotSave, UsageError
from acai_tf.files import expanded, hold, saving, write_atomically
from acai_tf.training.checkpoints import checkpoints

# What may differ between a run and its continuation: circumstances, and how long it goes on.
_MAY_DIFFER = {*EXECUTION_SETTINGS, "total_kimg"}
_LOCK = "lock"
_TRACES = {_LOCK, ".config.json.partial"}  # what a run killed before its first word leaves
_PACKAGES = ("acai_tf", "tensorflow", "jax", "keras", "tensorflow-datasets", "numpy", "absl-py")


class RunFolder:
    """A run's folder; nothing is written before `begin`.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = expanded(path)
        self.checkpoints = self.path / "checkpoints"
        self.sheets = self.path / "sheets"
        self.tensorboard = self.path / "tensorboard"
        self._config = self.path / "config.json"
        self._reports = ""
        self._metrics = self.path / "metrics.jsonl"

    def config(self) -> Config:
        """The configuration it was made with.

        Raises:
            UsageError: it is no run folder, or its config.json cannot be read.
        """
        return self._read()[0]

    def saved(self) -> dict:
        """All of config.json: "config", the images' fingerprint, "class_names", "versions" and
        "threads"; raises as `config`."""
        return self._read()[1]

    def _read(self) -> tuple[Config, dict]:
        try:
            saved = json.loads(self._config.read_text())
            return Config.from_dict(saved["config"]), saved
        except FileNotFoundError:
            raise UsageError(f"{self.path} is not a run folder: it has no config.json") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(f"{self._config} cannot be read ({error})") from error

    def check(self, config: Config, images: str | None = None) -> None:
        """Refuse to train `config` here if another run's work lies here. Writes nothing.

        Args:
            config: the run's settings.
            images: the training images' fingerprint; None: not known yet.

        Raises:
            UsageError: the run here is of another configuration (says what differs), or the
                folder holds something else, or cannot be written.
        """
        if self._config.exists():
            theirs, ours = self.config().to_dict(), config.to_dict()
            may_differ = set(_MAY_DIFFER)
            if checkpoints(self.checkpoints):
                may_differ.add("original")  # the run has left it behind
            names = [short_name(one["dataset"]) for one in (theirs, ours)]
            same_images = images is None or self.images() in (None, images)
            if same_images and (names[0] == names[1] or ARRAYS in names):
                may_differ.add("dataset")  # the same images from elsewhere: mnist, npz:mnist.npz
            different = [
                f"{name} is {theirs[name]!r} there, {ours[name]!r} here"
                for name in ours
                if name not in may_differ and theirs[name] != ours[name]
            ]
            if names == [ARRAYS, ARRAYS] and not same_images:
                different.append("the images are others")
            if different:
                raise UsageError(
                    f"{self.path} holds a run of another configuration:"
                    f" {'; '.join(different)}; give another --run_dir"
                )
        elif self.path.is_dir() and {p.name for p in self.path.iterdir()} - _TRACES:
            raise UsageError(
                f"{self.path} is not empty and is not a run folder; give another --run_dir"
            )
        existing = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise UsageError(f"cannot write to --run_dir={self.path}; give another")

    @contextlib.contextmanager
    def held(self):
        """Make the folder and keep other processes from training here within this context.

        A process that is killed lets go by itself.

        Raises:
            UsageError: another process is training here, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = hold(self.path / _LOCK)
        except BlockingIOError:
            raise UsageError(f"another process is training in {self.path}") from None
        except OSError as error:
            raise UsageError(
                f"cannot write to --run_dir={self.path} ({error.strerror}); give another"
            ) from error
        try:
            yield
        finally:
            self._lock.close()

    def busy(self) -> bool:
        """Whether another process is training here."""
        if not (self.path / _LOCK).exists():
            return False
        try:
            hold(self.path / _LOCK).close()
        except BlockingIOError:
            return True
        return False

    def images(self) -> str | None:
        """The fingerprint of the images that the run began with; None: none is written down."""
        return json.loads(self._config.read_text()).get("images")

    def shapes(self) -> tuple[tuple[int, ...], int] | None:
        """The images' shape and the number of classes; None: the run is older than their record.

        Raises:
            UsageError: config.json cannot be read.
        """
        saved = self.saved()
        if "image_shape" not in saved:
            return None
        try:
            shape = tuple(int(length) for length in saved["image_shape"])
            if len(shape) != 3 or min(shape) < 1:
                raise ValueError(f"image_shape {shape}")
            return shape, len(saved["class_names"])
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(f"{self._config} cannot be read ({error})") from error

    def begin(
        self,
        config: Config,
        images: str,
        class_names: tuple[str, ...] = (),
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Record the configuration, the training images' fingerprint and shape, what their labels
        mean, the versions and the number of threads."""
        from acai_tf.training import distribution

        versions, threads = _versions(), distribution.threads()
        if self._config.exists():
            dataset = self.config().dataset
            if dataset != config.dataset:
                print(f"the dataset of this run was {dataset}, it is now {config.dataset}")
            if self.images() not in (None, images):
                print("the training images are not those that this run began with")
            images = self.images() or images
            saved = json.loads(self._config.read_text())
            before = saved.get("versions") if isinstance(saved.get("versions"), dict) else {}
            before["threads"] = saved.get("threads", threads)  # older runs do not say
            now = {**versions, "threads": threads}
            changed = [f"{n} {before.get(n)} -> {v}" for n, v in now.items() if v != before.get(n)]
            if changed:
                print(
                    f"warning: {', '.join(changed)} since this run began; its end may differ in the"
                    " last bits from that of an unbroken run"
                )
        saved = {
            "config": config.to_dict(),
            "images": images,
            "class_names": list(class_names),
            **({"image_shape": list(image_shape)} if image_shape else {}),
            "versions": versions,
            "threads": threads,
        }
        self._about = json.dumps(saved, indent=2) + "\n"
        for half_written in self.checkpoints.glob("*.partial"):  # by a run that was killed
            half_written.unlink()
        write_atomically(self._config, self._about)

    def append(self, record: dict) -> None:
        """Add one report to metrics.jsonl; values that are not finite become null."""
        line = json.dumps({k: _finite_or_none(v) for k, v in record.items()}) + "\n"
        with open(self._metrics, "a") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._reports += line

    def remake_if_gone(self) -> None:
        """Write what `begin` and `append` wrote again where somebody removed it.

        What training has reached is then in memory alone.
        """
        with saving(self.path, "give this run another --run_dir"):
            lock, ours = self.path / _LOCK, os.fstat(self._lock.fileno())
            if lock.exists() and not os.path.samestat(lock.stat(), ours):
                raise CannotSave(
                    f"{self.path} was removed and another run began there; this one is not saved"
                )
            if not lock.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock = hold(lock)
            for path, text in ((self._metrics, self._reports), (self._config, self._about)):
                if text and not path.exists():
                    write_atomically(path, text)
                    print(f"{path} was removed during this run; written again")

    def records(self) -> list[dict]:
        """The reports so far; a last line that a kill cut short is left out.

        Raises:
            UsageError: another line is not a report.
        """
        if not self._metrics.exists():
            return []
        records = []
        try:
            lines = self._metrics.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"{self._metrics} cannot be read ({error.strerror})") from error
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                known = record["step"] is not None and record["kimg"] is not None
                if not known or not all(map(_is_number, record.values())):
                    raise ValueError
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                if number == len(lines):
                    break
                raise UsageError(
                    f"{self._metrics}, line {number}, is not a report; fix or remove the line"
                ) from None
            records.append(record)
        return records

    def rewind(self, step: int, period: int) -> None:
        """Drop the reports after `step`: the run goes on from there and will make them again.

        Args:
            step: as it was saved.
            period: steps from one report to the next.

        Raises:
            UsageError: there are reports whose checkpoints are all gone.
        """
        records = self.records()
        if not step and len(records) > 1:  # one: a kill between the first report and checkpoint
            raise UsageError(
                f"{self.path} has reports up to kimg {records[-1]['kimg']} and no checkpoint;"
                " put checkpoints/ back or give another --run_dir"
            )
        kept = [record for record in records if record["step"] <= step]
        due = step // period * period
        if due and records and (not kept or kept[-1]["step"] != due):
            print(f"{self._metrics} lacks the report of step {due}: it was changed")
        self._reports = "".join(json.dumps(record) + "\n" for record in kept)
        # Nothing is written before config.json says whose folder it is.
        if self._metrics.exists() and self._metrics.read_text("utf-8", "replace") != self._reports:
            write_atomically(self._metrics, self._reports)


def default_run_dir(config: Config) -> str:
    """runs/<dataset>/<model>-d<code size>-seed<seed>."""
    parts = [config.model, *([config.regularizers] if config.regularizers else [])]
    if config.networks != "paper":
        parts.append(config.networks)
    if config.init:
        parts.append(f"from-{os.path.basename(config.init)}")
    name = re.sub(r"[^\w.=+-]+", "-", "+".join(parts)).strip("-")
    return f"runs/{short_name(config.dataset)}/{name}-d{config.code_size}-seed{config.seed}"


def _versions() -> dict[str, str]:
    import keras

    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a clone without installing
            continue
    return versions


def _is_number(value) -> bool:
    if value is None:
        return True
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # `append` writes no other


def _finite_or_none(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value
