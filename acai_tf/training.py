"""The story of a run, in one function."""

import contextlib
import dataclasses

import keras
import numpy as np

from acai_tf import checkpoints, devices, workers
from acai_tf.backend import BACKENDS
from acai_tf.callbacks import Progress, Report
from acai_tf.config import (
    KIMG,
    Config,
    changed_settings,
    configured,
    settings_unread_by,
    specific_settings,
)
from acai_tf.data import canonical_name, config_name, load_dataset
from acai_tf.data.dataset import Dataset
from acai_tf.data.pipeline import pipeline
from acai_tf.draws import seed_weights
from acai_tf.errors import DivergedError, UsageError
from acai_tf.export import export_run
from acai_tf.exported import read_about
from acai_tf.files import saving
from acai_tf.models import MODELS, build_model, refuse_unread
from acai_tf.models.base import Autoencoder
from acai_tf.optimizer import adam
from acai_tf.original import checkpoint as original
from acai_tf.original.folder import absolute
from acai_tf.run_folder import RunFolder, default_run_dir
from acai_tf.signals import Signals
from acai_tf.watch import KeepMeans, StopOnNonFinite, StopOnSignal

ROLLBACKS = 3  # to one checkpoint, before it is clear that chance will not help


def train(config: Config | None = None, **settings) -> Autoencoder:
    """Train a model and export it, or resume its run where it stopped: what train.py does.

    Args:
        config: the run's settings.
        settings: of `Config`: those to change, or without `config` all that are not the defaults.
            Changing `config`'s dataset or model leaves its other settings as they are.

    Returns:
        The trained model.

    Raises:
        UsageError: bad input; see the messages.
        DivergedError: a loss or a weight is no longer finite.
        Stopped: SIGTERM or SIGINT came; the run is saved.
        CannotSave: the run folder can no longer be written.
        WorkerLost: another worker is gone.
    """
    config = configured(config, settings)
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset))
    if config.original:
        config = dataclasses.replace(config, original=str(absolute(config.original)))
    config = dataclasses.replace(config, run_dir=config.run_dir or default_run_dir(config))
    for name in ("data_dir", "cache_dir"):
        if (folder := getattr(config, name)) and "://" not in folder:
            config = dataclasses.replace(config, **{name: str(absolute(folder))})
    refuse_unread(config.model, changed_settings(config))
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(f"training runs with KERAS_BACKEND={' or '.join(BACKENDS)}")
    devices.prepare(config)
    steps, reports = config.steps_per_report, config.reports
    run, chief = RunFolder(config.run_dir), devices.is_chief(config)
    run.check(config)  # now, before data are loaded; and again once the folder is ours
    print(describe(config))
    dataset = load_dataset(config)
    dataset.check_batch(config.batch)
    images = dataset.fingerprint()

    with devices.spread(config), run.held() if chief else contextlib.nullcontext():
        seed_weights(config.seed)
        model = build_model(config, dataset.image_shape, dataset.classes)
        model.compile(optimizer=adam(model), jit_compile=devices.xla(config))
        run.check(config, images)
        saved = step = checkpoints.restore_newest(run.checkpoints, model)
        if config.original and not saved:
            step = original.restore(config.original, model)
            if step >= reports * steps:
                raise UsageError(
                    f"{config.original} has {step} steps, --total_kimg={config.total_kimg} are"
                    f" {reports * steps}; give a larger one to go on"
                )
        if step > reports * steps:
            raise UsageError(
                f"{run.path} is past --total_kimg={config.total_kimg} already"
                f" (kimg {step * config.batch / KIMG:g})"
            )
        if len(begins := set(workers.of_all_workers(step))) > 1:
            raise UsageError(
                f"the workers begin at different steps, {sorted(begins)}: --run_dir={run.path} must"
                " be one folder that all of them see"
            )
        if chief:
            run.rewind(saved, steps)
            run.begin(config, images, dataset.class_names)
        if step == reports * steps:
            print(f"{run.path} is finished; a larger --total_kimg lengthens it")
        elif step:
            print(f"continuing {run.path if saved else config.original} from step {step}")
        _fit(model, dataset, config, step, run)
    print(f"done: {run.path} (sheets/, metrics.jsonl; tensorboard --logdir {run.path})")
    if config.export and chief and keras.backend.backend() == "tensorflow":
        _export(run, reports * steps)
    return model


def _fit(model: Autoencoder, dataset: Dataset, config: Config, step: int, run: RunFolder) -> None:
    """Train from `step` to the end; a Keras epoch is a report period."""
    steps, reports = config.steps_per_report, config.reports
    signals, report, progress = Signals(), Report(config, dataset, run), Progress(config, step)
    while step < reports * steps:
        # A run may have been saved at any step: what is left of its period comes first.
        period, taken = divmod(step, steps)
        last = period + 1 if taken else reports
        model.steps_per_execution = devices.steps_at_once(config, steps - taken)
        model.make_train_function(force=True)
        callbacks = [
            KeepMeans([np.asarray(v) for v in model.metrics_variables] if taken else []),
            *(StopOnNonFinite(step), progress, report),
            StopOnSignal(step, signals, run),
        ]
        failures = []
        try:
            with signals.heeded():
                model.fit(
                    pipeline(dataset, config, step, model.draw_seed, failures),
                    initial_epoch=period,
                    epochs=last,
                    steps_per_epoch=steps - taken,
                    callbacks=callbacks,
                    shuffle=False,  # the pipeline has its own order
                    verbose=0,
                )
            step = last * steps
        except DivergedError as trouble:
            step = _roll_back(model, config, run, trouble)
            progress.go_back(step)
        except Exception:
            if failures:  # of the data, before TensorFlow made another error of it
                raise failures[0] from None
            raise


def _export(run: RunFolder, step: int) -> None:
    """Export the run's end, unless it has been."""
    folder = run.path / "saved_model"
    with contextlib.suppress(UsageError):  # none is there, or a damaged one
        if read_about(str(folder))["step"] == step:
            return
    # What a signal would leave behind is half an export.
    with Signals().heeded(), saving(folder, "the run is saved; the same command exports it"):
        print(f"exported: {export_run(run.path, folder, overwrite=True)}")


def _roll_back(model: Autoencoder, config: Config, run: RunFolder, trouble: DivergedError) -> int:
    """Go back to the newest checkpoint, from where other batches and draws follow.

    Returns:
        Its step.

    Raises:
        DivergedError: `trouble`, where no rollback is asked for, possible, or of use any longer.
    """
    tried = model.rollbacks + 1
    if config.on_nonfinite == "stop":
        raise trouble
    step = checkpoints.restore_newest(run.checkpoints, model)
    if not step:
        raise DivergedError(f"{trouble}. There is no checkpoint yet to roll back to") from trouble
    if tried - model.rollbacks > ROLLBACKS:
        raise DivergedError(f"{trouble}. {ROLLBACKS} rollbacks to step {step} did not help")
    model.rollbacks = tried
    if devices.is_chief(config):
        run.rewind(step, config.steps_per_report)
    print(f"{trouble}\nrolled back to step {step}; other batches and draws from here on")
    return step


def describe(config: Config) -> str:
    """The settings that the run reads, one a line; * marks what is not the default for its
    dataset and model."""
    changed = changed_settings(config)
    unread = specific_settings() - set(MODELS[config.model].reads)
    unread |= settings_unread_by(config_name(config.dataset))
    read = {name: value for name, value in config.to_dict().items() if name not in unread}
    width = max(map(len, read))
    lines = [
        f"  {name:<{width}}  {value}{'  *' if name in changed else ''}"
        for name, value in read.items()
    ]
    return "\n".join(["configuration (* differs from the default):", *lines])
