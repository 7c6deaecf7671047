"""A run's reports."""

import contextlib
import datetime
import time

import keras

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.evaluation import critic, figures, run_evaluators, sentences
from acai_tf.files import saving, write_atomically
from acai_tf.kinds import TOKENS
from acai_tf.models.optimizer import scheduled_rates
from acai_tf.training import checkpoints, distribution
from acai_tf.training.run_folder import RunFolder
from acai_tf.training.tensorboard import TensorBoard

WARM_UP = 4096  # steps before a critic may be called collapsed: at first it knows nothing


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' bar for each report period, without losses, which the report has.

    With them it is longer than a terminal's line, and each update would begin a new line.
    """

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch)


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
        average = self.model.average
        with average.in_use() if average else contextlib.nullcontext():
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
            **scheduled_rates(self.model),
            "images_per_second": round(self._batches * self._config.batch / seconds, 1),
        }
        if self._config.ema_kimg:  # the scores and sheets are of averaged weights
            record["ema_kimg"] = self._config.ema_kimg
        if self.model.rollbacks:
            record["rollbacks"] = self.model.rollbacks
        return record

    def _save(self, record, state):
        made_by = sentences if self.model.kind == TOKENS else figures
        sheets = made_by.sheets(self.model, self._dataset.test_images)
        with saving(self._run.path, "fix the folder; the same command then resumes"):
            self._run.sheets.mkdir(exist_ok=True)  # fails if the run folder was removed
            for name, sheet in sheets.items():
                path = self._run.sheets / f"{name}-{record['kimg']:06d}"
                if isinstance(sheet, str):
                    write_atomically(path.with_suffix(".txt"), sheet + "\n")
                else:
                    figures.save_png(sheet, path.with_suffix(".png"))
            self._tensorboard.write(record["step"], record, sheets)
            self._run.append(record)
        cooldown = self._config.cooldown_begins
        checkpoints.write(self._run.checkpoints, record["step"], state, cooldown)

    def _print(self, record):
        seconds_per_step = (time.perf_counter() - self._start) / self._batches
        steps = self._config.steps - record["step"]
        left = datetime.timedelta(seconds=round(steps * seconds_per_step))
        others = ("step", "kimg", "images_per_second", "ema_kimg")
        scores = [f"{name} {value:.4g}" for name, value in record.items() if name not in others]
        progress = f"kimg {record['kimg']}/{self._config.total_kimg}"
        speed = f"{record['images_per_second']:.0f} img/s"
        print("  ".join([progress, *scores, speed, f"ETA {left}"]), flush=True)
        self._warn(record)

    def _warn(self, record):
        """Print a warning at the first report of those in a row with a collapsed critic."""
        warning = critic.collapsed(record) if record["step"] >= WARM_UP else None
        if warning and not self._warned:
            print(f"warning: {warning}", flush=True)
        self._warned = warning is not None
