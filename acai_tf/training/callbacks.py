"""What a run shows and writes down: progress, and its reports."""

import datetime
import math
import sys
import time

import keras
from tqdm import tqdm

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.errors import DivergedError
from acai_tf.evaluation import critic, figures, run_evaluators
from acai_tf.files import saving
from acai_tf.training import checkpoints, distribution, workers
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.tensorboard import TensorBoard

LEARNED = 4096  # steps after which a critic that says the same of all has collapsed


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
            disable=not sys.stderr.isatty(),  # a log file gets the reports' lines alone
        )

    def go_back(self, step: int) -> None:
        """Show that the run is at `step` again."""
        self._bar.n = step * self._batch
        self._bar.refresh()

    def on_epoch_begin(self, epoch, logs=None):
        self._seen = -1

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(self._batch * (batch - self._seen))
        self._seen = batch

    def on_train_end(self, logs=None):
        if self._bar.n >= self._bar.total:  # `fit` may be called twice for one run
            self._bar.close()


class Report(keras.callbacks.Callback):
    """At the end of each period: evaluate, print, record, draw, and last of all checkpoint.

    The checkpoint comes last: a run killed before it makes the whole report again
    when it is resumed, with the same numbers.

    Args:
        config: the run's settings.
        dataset: what it is evaluated on.
        run: the folder it is written to.
    """

    def __init__(self, config: Config, dataset: Dataset, run: RunFolder):
        super().__init__()
        self._config = config
        self._dataset = dataset
        self._run = run
        self._tensorboard = TensorBoard(run.tensorboard)
        self._warned = False

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._batches = time.perf_counter(), 0

    def on_train_batch_end(self, batch, logs=None):
        self._batches = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._began
        state = checkpoints.arrays(self.model)  # first: what is not finite is not evaluated
        chief = distribution.is_chief(self._config)
        record = self._measure(epoch, logs, seconds) if chief else {}
        bad = not math.isfinite(record.get("test_rmse", 0))
        if any(workers.of_all_workers(int(bad))):  # they stop, or go back, together
            raise DivergedError("test_rmse is no longer finite; this report is not saved")
        if chief:
            self._write(record, state)
            self._say(epoch, record)

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

    def _write(self, record, state):
        self._run.remake_if_gone()
        sheets = figures.sheets(self.model, self._dataset.test_images)
        with saving(self._run.path, "see to it; the same command then goes on"):
            for name, sheet in sheets.items():
                figures.save_png(sheet, self._run.sheets / f"{name}-{record['kimg']:06d}.png")
            self._tensorboard.write(record["step"], record, sheets)
            self._run.append(record)
        checkpoints.write(self._run.checkpoints, record["step"], state)

    def _say(self, epoch, record):
        config = self._config
        left = (config.reports - epoch - 1) * (time.perf_counter() - self._began)
        left *= config.steps_per_report / self._batches  # of a period begun before
        tqdm.write(_line(record, config.reports * config.report_kimg, left), file=sys.stdout)
        self._warn(record)
        sys.stdout.flush()

    def _warn(self, record):
        """Once each time it comes to this; not of a critic that has hardly begun to learn."""
        warning = critic.collapsed(record) if record["step"] >= LEARNED else None
        if warning and not self._warned:
            tqdm.write(f"warning: {warning}", file=sys.stdout)
        self._warned = warning is not None

    def on_train_end(self, logs=None):
        self._tensorboard.close()


def _line(record: dict, total_kimg: int, seconds_left: float) -> str:
    """One report as a person reads it."""
    shown = {
        name: value
        for name, value in record.items()
        if name not in ("step", "kimg", "images_per_second")
    }
    scores = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
    left = datetime.timedelta(seconds=round(seconds_left))
    speed = f"{record['images_per_second']:.0f} img/s"
    return f"kimg {record['kimg']}/{total_kimg}  {scores}  {speed}  ETA {left}"
