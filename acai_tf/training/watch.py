"""What watches over a run between its reports: signals, losses that are not finite."""

import math
import signal

import keras

from acai_tf.errors import DivergedError, Stopped
from acai_tf.training import checkpoints, distribution, workers
from acai_tf.training.preemption import Signals
from acai_tf.training.run_folder import RunFolder

CHECK_EVERY = 32  # steps between looks at the losses; a look waits for the device


class Watch(keras.callbacks.Callback):
    """Counts steps, and looks at the run every CHECK_EVERY of them and at the end of a period.

    It counts by itself: a callback is called once for several steps (--steps_per_execution), and
    JAX takes the variables out of the model within a period.

    Args:
        step: steps taken so far.
    """

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def on_epoch_begin(self, epoch, logs=None):
        self._seen = -1  # batches of the period

    def on_train_batch_end(self, batch, logs=None):
        took = batch - self._seen
        self.step, self._seen = self.step + took, batch
        self.look(logs, every=batch % CHECK_EVERY < took)

    def look(self, logs: dict, every: bool) -> None:
        """Called after each execution; `every` is true about each CHECK_EVERY steps."""
        raise NotImplementedError


class StopOnNonFinite(Watch):
    """Ends training at a loss that is not finite; the last checkpoint is from before it."""

    def look(self, logs, every):
        if every:
            self._check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs)

    def _check(self, logs):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(float(value))]
        if bad:
            config = self.model.config
            raise DivergedError(
                f"{', '.join(bad)} no longer finite at step {self.step}; checkpoints of earlier"
                f" reports are kept. Try a lower --lr (it was {config.lr:g}), or"
                " --on_nonfinite=rollback if it took long to come to this"
            )


class StopOnSignal(Watch):
    """Ends training after the step in which a signal came, with a checkpoint of that step.

    Several workers agree on the step: one that received a signal is heard by the others at the
    next look.

    Args:
        step: steps taken so far.
        signals: what was received.
        run: where to save.
    """

    def __init__(self, step: int, signals: Signals, run: RunFolder):
        super().__init__(step)
        self._signals, self._run = signals, run

    def look(self, logs, every):
        if workers.several_workers() and not every:
            return
        if received := self._received():
            if distribution.is_chief(self.model.config):
                self._run.remake_if_gone()
            checkpoints.save(self._run.checkpoints, self.model)
            self._stop(received)

    def on_epoch_end(self, epoch, logs=None):  # the report has saved this step
        if received := self._received():
            self._stop(received)

    def _received(self) -> int:
        return int(max(workers.of_all_workers(self._signals.received)))

    def _stop(self, received):
        raise Stopped(
            received,
            f"{signal.Signals(received).name}: {self._run.path} is saved at step {self.step}; the"
            " same command goes on from there",
        )


class KeepMeans(keras.callbacks.Callback):
    """Gives what was logged before an interruption back to the period that goes on.

    Args:
        means: values of the model's metrics as they were saved, which `fit` resets.
    """

    def __init__(self, means: list):
        super().__init__()
        self._means = means

    def on_epoch_begin(self, epoch, logs=None):
        for variable, value in zip(self.model.metrics_variables, self._means, strict=False):
            variable.assign(value)
        self._means = []
