"""What happens around the steps: progress, reports, and a stop when training diverges."""

import datetime
import math
import sys
import time

import keras
import tensorboardX
from tqdm import tqdm

from acai_tf import checkpoints, figures
from acai_tf.config import Config
from acai_tf.data.dataset import Dataset
from acai_tf.errors import DivergedError
from acai_tf.evaluation import run_evaluators
from acai_tf.run_folder import RunFolder

CHECK_EVERY = 32  # steps between looks at the losses; a look waits for the device


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends training at a loss that is not finite; the last checkpoint is from before it.

    Args:
        step: steps taken so far.
    """

    def __init__(self, step: int):
        super().__init__()
        self._step = step  # counted here: JAX takes the variables out of the model within a period

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        if batch % CHECK_EVERY == 0:
            self._check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs)

    def _check(self, logs):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(float(value))]
        if bad:
            raise DivergedError(
                f"{', '.join(bad)} no longer finite at step {self._step}; checkpoints of earlier"
                f" reports are kept. Try a lower --lr (it was {self.model.config.lr:g})"
            )


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

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(self._batch)

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
        self._writer = None  # made at the first report

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._batches = time.perf_counter(), 0

    def on_train_batch_end(self, batch, logs=None):
        self._batches += 1

    def on_epoch_end(self, epoch, logs=None):
        config = self._config
        seconds = time.perf_counter() - self._began
        step = int(self.model.optimizer.iterations)
        unread = {"loss_probe"} if self._dataset.classes < 2 else set()  # nothing to tell apart
        record = {
            "step": step,
            "kimg": (epoch + 1) * config.report_kimg,
            **{name: float(value) for name, value in logs.items() if name not in unread},
            **run_evaluators(self.model, self._dataset),
            "images_per_second": round(self._batches * config.batch / seconds, 1),
        }
        if not math.isfinite(record["test_rmse"]):
            raise DivergedError(f"test_rmse is no longer finite at step {step}; nothing is saved")
        sheets = figures.sheets(self.model, self._dataset.test_images)
        for name, sheet in sheets.items():
            figures.save_png(sheet, self._run.sheets / f"{name}-{record['kimg']:06d}.png")
        self._to_tensorboard(step, record, sheets)
        self._run.append(record)
        checkpoints.save(self._run.checkpoints, self.model)
        left = (config.reports - epoch - 1) * (time.perf_counter() - self._began)
        left *= config.steps_per_report / self._batches  # of a period begun by the original
        tqdm.write(_line(record, config.reports * config.report_kimg, left), file=sys.stdout)
        sys.stdout.flush()

    def _to_tensorboard(self, step, record, sheets):
        self._writer = self._writer or tensorboardX.SummaryWriter(str(self._run.tensorboard))
        for name, value in record.items():
            if math.isfinite(value):  # the smoothness of no line at all is not
                self._writer.add_scalar(name, value, step)
        for name, sheet in sheets.items():
            self._writer.add_image(name, sheet, step, dataformats="HWC")
        self._writer.flush()

    def on_train_end(self, logs=None):
        if self._writer:
            self._writer.close()
            self._writer = None


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
