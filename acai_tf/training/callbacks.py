"""A run's progress bar and its reports."""

import datetime
import sys
import time

import keras
from tqdm import tqdm

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.evaluation import critic, figures, run_evaluators
from acai_tf.files import saving
from acai_tf.training import checkpoints, distribution
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.tensorboard import TensorBoard

WARM_UP = 4096  # steps before a critic may be called collapsed: at first it knows nothing


class Progress(keras.callbacks.Callback):
    """A bar over the whole run with images per second and the time left.

    Args:
        config: the run's settings.
        step: steps taken so far.
    """

    def __init__(self, config: Config, step: int):
        super().__init__()
        self._batch = config.batch
        self._bar = tqdm(
            total=config.reports * config.steps_per_report * config.batch,
            initial=step * config.batch,
            unit="img",
            unit_scale=True,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),  # a log file gets the reports' lines only
        )

    def on_epoch_begin(self, epoch, logs=None):
        self._first = checkpoints.steps_taken(self.model)

    def on_train_batch_end(self, batch, logs=None):
        # A rollback makes the difference negative.
        self._bar.update((self._first + batch + 1) * self._batch - self._bar.n)

    def on_train_end(self, logs=None):
        if self._bar.n >= self._bar.total:  # one run may call `fit` several times
            self._bar.close()


class Report(keras.callbacks.Callback):
    """At the end of each period: evaluate, record, draw, checkpoint and print.

    The checkpoint comes after the record: a run killed between them repeats the report when it is
    resumed, with the same numbers.

    Args:
        config: the run's settings.
        dataset: what it is evaluated on.
        run: the folder it is written to.
    """

    def __init__(self, config: Config, dataset: Dataset, run: RunFolder):
        super().__init__()
        self._config, self._dataset, self._run = config, dataset, run
        self._tensorboard = TensorBoard(run.tensorboard)
        self._warned = False

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._batches = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._start
        state = checkpoints.arrays(self.model)  # raises before anything is evaluated
        if distribution.is_chief(self._config):
            record = self._measure(epoch, logs, seconds)
            self._save(record, state)
            self._print(record)

    def _measure(self, epoch, logs, seconds) -> dict:
        record = {
            "step": checkpoints.steps_taken(self.model),
            "kimg": (epoch + 1) * self._config.report_kimg,
            **{name: float(value) for name, value in logs.items()},
            **run_evaluators(self.model, self._dataset),
            "images_per_second": round(self._batches * self._config.batch / seconds, 1),
        }
        if self.model.rollbacks:
            record["rollbacks"] = self.model.rollbacks
        return record

    def _save(self, record, state):
        sheets = figures.sheets(self.model, self._dataset.test_images)
        with saving(self._run.path, "fix the folder; the same command then resumes"):
            self._run.sheets.mkdir(exist_ok=True)  # fails if the run folder was removed
            for name, sheet in sheets.items():
                figures.save_png(sheet, self._run.sheets / f"{name}-{record['kimg']:06d}.png")
            self._tensorboard.write(record["step"], record, sheets)
            self._run.append(record)
        checkpoints.write(self._run.checkpoints, record["step"], state)

    def _print(self, record):
        total = self._config.reports * self._config.steps_per_report
        seconds_per_step = (time.perf_counter() - self._start) / self._batches
        left = datetime.timedelta(seconds=round((total - record["step"]) * seconds_per_step))
        others = ("step", "kimg", "images_per_second")
        scores = [f"{name} {value:.4g}" for name, value in record.items() if name not in others]
        progress = f"kimg {record['kimg']}/{self._config.total_kimg}"
        speed = f"{record['images_per_second']:.0f} img/s"
        tqdm.write("  ".join([progress, *scores, speed, f"ETA {left}"]), file=sys.stdout)
        self._warn(record)
        sys.stdout.flush()

    def _warn(self, record):
        """Print a warning at the first report of those in a row with a collapsed critic."""
        warning = critic.collapsed(record) if record["step"] >= WARM_UP else None
        if warning and not self._warned:
            tqdm.write(f"warning: {warning}", file=sys.stdout)
        self._warned = warning is not None
