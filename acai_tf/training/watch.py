"""Callbacks that end training early: at a loss that is not finite, or after a signal."""

import math
import signal

import keras
import numpy as np

from acai_tf import backend
from acai_tf.errors import DivergedError, Stopped
from acai_tf.training import checkpoints, workers
from acai_tf.training.preemption import Signals
from acai_tf.training.run_folder import RunFolder

CHECK_EVERY = 32  # steps between checks; each one waits for the device, or for other workers


def _due(model: keras.Model, batch: int) -> bool:
    """Whether the execution that ended with this batch contains a multiple of CHECK_EVERY."""
    return batch % CHECK_EVERY < model.steps_per_execution


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends training at a loss that is not finite; the last checkpoint is from before it."""

    def on_train_batch_end(self, batch, logs=None):
        if _due(self.model, batch):
            self.on_epoch_end(None, logs)

    def on_epoch_end(self, epoch, logs=None):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(float(value))]
        if bad:
            backend.settle(self.model)
            raise DivergedError(
                f"{', '.join(bad)} no longer finite at step {checkpoints.steps_taken(self.model)};"
                " earlier checkpoints are kept. Try a lower --lr (it was"
                f" {self.model.config.lr:g}), or --on_nonfinite=rollback if this came late"
            )


class StopOnSignal(keras.callbacks.Callback):
    """Ends training, with a checkpoint, after the step in which a signal came.

    Several workers stop at the same step, at the next check after one of them received a signal.

    Args:
        signals: the signals received.
        run: where to save.
    """

    def __init__(self, signals: Signals, run: RunFolder):
        super().__init__()
        self._signals, self._run = signals, run

    def on_train_batch_end(self, batch, logs=None):
        if _due(self.model, batch) or not workers.several_workers():
            self._stop_if_received(save=True)

    def on_epoch_end(self, epoch, logs=None):  # the report has saved this step
        self._stop_if_received(save=False)

    def _stop_if_received(self, save):
        received = max(workers.of_all_workers(self._signals.received))
        if not received:
            return
        if save:
            checkpoints.save(self._run.checkpoints, self.model)
        raise Stopped(
            received,
            f"{signal.Signals(received).name}: {self._run.path} is saved at step"
            f" {checkpoints.steps_taken(self.model)}; the same command resumes it",
        )


class RestoreMeans(keras.callbacks.Callback):
    """Restores the means logged so far in a report period that is resumed; `fit` resets them.

    Args:
        model: with its metrics as they were saved.
    """

    def __init__(self, model: keras.Model):
        super().__init__()
        self._means = [np.asarray(variable) for variable in model.metrics_variables]

    def on_epoch_begin(self, epoch, logs=None):
        for variable, mean in zip(self.model.metrics_variables, self._means, strict=True):
            variable.assign(mean)
