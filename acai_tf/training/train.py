"""Train a model: data, model, restore, fit, report, export."""

import contextlib
import dataclasses
import math
import sys

import keras
import numpy as np

from acai_tf import pretrained
from acai_tf.backend import BACKENDS
from acai_tf.config import KIMG, Config, changed_settings, configured, specific_settings
from acai_tf.data import ARRAYS, canonical_name, load_dataset, settings_unread
from acai_tf.data.dataset import Dataset, are_sequences
from acai_tf.data.npz import holds_sequences
from acai_tf.data.pipeline import pipeline
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import DivergedError, UsageError
from acai_tf.export.exported import read_about
from acai_tf.export.write import export_run
from acai_tf.files import saving
from acai_tf.loading import load
from acai_tf.models import build_model, refuse_unread, settings_read
from acai_tf.models.autoencoder import Autoencoder
from acai_tf.models.average import Average
from acai_tf.models.noise import seed_weights
from acai_tf.models.optimizer import adam, scheduled
from acai_tf.original import checkpoint as original
from acai_tf.original.folder import absolute
from acai_tf.training import checkpoints, distribution, workers
from acai_tf.training.callbacks import ProgressBar, Report
from acai_tf.training.preemption import Signals
from acai_tf.training.run_folder import RunFolder, default_run_dir
from acai_tf.training.watch import RestoreMeans, StopOnNonFinite, StopOnSignal

A_MODEL = "(a model)"  # config.json's "init" after train(init=model)
ROLLBACKS = 3  # to the same checkpoint, before giving up


def train(
    config: Config | None = None,
    data: tuple | None = None,
    init: str | Autoencoder = "",
    **settings,
) -> Autoencoder:
    """Train a model and export it, or resume its run: what train.py does.

    Args:
        config: the run's settings.
        data: (train_images, train_labels, test_images, test_labels), in place of a dataset's name:
            images uint8 [N, H, W, C] or [N, H, W], labels whole numbers [N] or None. The run's
            dataset is called "arrays".
        init: a model whose weights the run starts from, or where to find one, as --init.
        settings: fields of `Config` to change, or without `config` those that are not the defaults.
            Changing `config`'s dataset or model leaves its other settings as they are.

    Returns:
        The trained model, with averaged weights if --ema_kimg asks for them.

    Raises:
        UsageError: bad input.
        DivergedError: a loss or a weight is no longer finite.
        Stopped: SIGTERM or SIGINT came; the run is saved.
        CannotSave: the run folder can no longer be written.
        WorkerLost: another worker cannot be reached.
    """
    config = _resolve(config, data, init, settings)
    distribution.prepare(config)
    run, chief = RunFolder(config.run_dir), distribution.is_chief(config)
    run.check(config)  # before the data are loaded, and again once the folder is locked
    print(describe(config))
    resumed = bool(checkpoints.checkpoints(run.checkpoints))
    weights, vocabulary = {}, run.vocabulary() if resumed else None
    if config.init and not resumed:
        weights, vocabulary = _source(init or config.init)
    dataset = load_dataset(config, data, vocabulary)
    if vocabulary not in (None, dataset.vocabulary):
        raise UsageError(
            f"{config.dataset} has another vocabulary than {run.path if resumed else config.init}"
        )
    dataset.check_batch(config.batch)
    images = dataset.fingerprint()

    with distribution.distribute(config), run.lock() if chief else contextlib.nullcontext():
        seed_weights(config.seed)
        about = dataset.image_shape, dataset.classes, dataset.vocabulary
        model = build_model(config, *about)
        optimizer = adam(model, scheduled(config), config.probe_lr)
        model.compile(optimizer=optimizer, jit_compile=distribution.xla(config))
        if config.ema_kimg:
            model.average = Average(model, config.ema_kimg * KIMG / config.batch)
        run.check(config, images)
        if weights:
            _start_from(config.init, weights, model)
        if dataset.units:
            model.units.set(*dataset.units)
        step = _restore(model, config, run)
        if chief:
            names, shape = dataset.class_names, dataset.image_shape
            run.begin(config, images, names, shape, dataset.vocabulary)
        _fit(model, dataset, config, step, run)
        if model.average:
            model.average.swap()
            model.average = None
    print(f"done: {run.path} (sheets/, metrics.jsonl; tensorboard --logdir {run.path})")
    if config.export and chief and keras.backend.backend() == "tensorflow":
        _export(run, config.steps)
    return model


def _resolve(config: Config | None, data, init, settings: dict) -> Config:
    """The checked configuration, with the names and paths that config.json records."""
    if data is not None:
        settings = {"dataset": ARRAYS, **settings}
    if init:
        settings["init"] = init if isinstance(init, str) else A_MODEL
    config = configured(config, settings)
    if config.init and config.original:
        raise UsageError("give --init or --original, not both")
    paths = {
        name: str(absolute(path))
        for name in ("original", "data_dir", "cache_dir")
        if (path := getattr(config, name)) and "://" not in path
    }
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset), **paths)
    source, _, file = config.dataset.partition(":")
    sequences = source == "npz" and holds_sequences(file)
    if isinstance(data, (tuple, list)) and len(data):
        images = np.asarray(data[0])
        sequences = are_sequences(images.dtype, images.shape)
    run_dir = config.run_dir or default_run_dir(config, sequences)
    config = dataclasses.replace(config, run_dir=run_dir)
    if config.init not in ("", A_MODEL):
        name = config.init.rstrip("/")
        if not pretrained.is_pretrained(pretrained.resolve(config.init)):
            name = str(absolute(config.init))
        config = dataclasses.replace(config, init=name)
    refuse_unread(config, changed_settings(config))
    config.check_length()
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(f"training runs with KERAS_BACKEND={' or '.join(BACKENDS)}")
    return config


def describe(config: Config) -> str:
    """The settings that the run reads, one per line; * marks those that are not the default for its
    dataset and model."""
    changed = changed_settings(config)
    unread = specific_settings() - set(settings_read(config.model, config.regularizers))
    unread |= settings_unread(config.dataset)
    read = {name: value for name, value in config.to_dict().items() if name not in unread}
    width = max(map(len, read))
    lines = [f"  {n:<{width}}  {v}{'  *' if n in changed else ''}" for n, v in read.items()]
    return "\n".join(["configuration (* differs from the default):", *lines])


def _source(init: str | Autoencoder) -> tuple[dict[str, np.ndarray], Vocabulary | None]:
    """Copies of the weights to start from, by name, and the vocabulary of tokens."""
    model = load(init, weights=True) if isinstance(init, str) else init
    if not isinstance(model, Autoencoder):
        raise UsageError(f"init takes an Autoencoder or where to find one, not a {type(model)}")
    weights = {name: np.array(variable) for name, variable in checkpoints.weights(model).items()}
    return weights, model.vocabulary


def _start_from(init: str, weights: dict[str, np.ndarray], model: Autoencoder) -> None:
    """Copy the weights that fit, and print which do not; raises UsageError where none does."""
    copied, fresh = checkpoints.copy_weights(model, weights)
    if not copied:
        raise UsageError(
            f"no weights of {init} fit this model; give the settings of its networks"
            " (--depth, --latent, --latent_width, --networks, --image_size)"
        )
    parts = {name.partition("/")[0] for name in copied}  # those that fit at least partly
    names = [(name.partition("/")[0], name) for name in fresh]
    names = dict.fromkeys(name if part in parts else part for part, name in names)
    rest = f"; these start fresh: {', '.join(names)}" if fresh else ""
    print(f"starting from {init}: {len(copied)} of {len(copied) + len(fresh)} weights fit{rest}")


def _restore(model: Autoencoder, config: Config, run: RunFolder) -> int:
    """Restore the run's newest checkpoint, or --original; returns the step that the run is at."""
    end = config.steps
    found = checkpoints.checkpoints(run.checkpoints)
    before = run.config() if found else config
    # From its cool-down on, a longer run is another one.
    last = before.cooldown_begins if before.steps < end else math.inf
    later = found[len(checkpoints.checkpoints(run.checkpoints, last)) :]
    saved = step = checkpoints.restore_newest(run.checkpoints, model, last)
    if later and not saved:
        raise UsageError(
            f"{run.path} has no checkpoint from before its cool-down, at step {last}, from which it"
            f" could be longer; give --total_kimg={before.total_kimg} or another --run_dir"
        )
    if config.original and not saved:
        step = original.restore(config.original, model)
        if model.average:
            model.average.reset()
        if step >= end:
            raise UsageError(
                f"{config.original} has {step} steps, --total_kimg={config.total_kimg} are {end};"
                " give a larger one to continue"
            )
    if step > (config.cooldown_begins if end < before.steps else end):
        raise UsageError(
            f"{run.path} is past --total_kimg={config.total_kimg}, or its cool-down, already"
            f" (kimg {step * config.batch / KIMG:g})"
        )
    if len(steps := set(workers.of_all_workers(step))) > 1:
        raise UsageError(
            f"the workers are at different steps, {sorted(steps)}: --run_dir={run.path} must be"
            " one folder that all of them see"
        )
    if distribution.is_chief(config):
        if later:
            exported = (run.path / "saved_model").exists()
            stays = "; saved_model/ stays as it is until the new end" if exported else ""
            print(
                f"{run.path} is longer now and goes back to before its cool-down: checkpoints and"
                f" reports after step {step} are removed{stays}"
            )
        for path in later:
            path.unlink()
        run.rewind(saved)
    if step == end:
        print(f"{run.path} is finished; a larger --total_kimg extends it")
    elif step:
        print(f"continuing {run.path if saved else config.original} from step {step}")
    return step


def _fit(model: Autoencoder, dataset: Dataset, config: Config, step: int, run: RunFolder) -> None:
    """Train from `step` to the end; a Keras epoch is a report period."""
    steps, reports = config.steps_per_report, config.reports
    signals, report = Signals(), Report(config, dataset, run)
    while step < reports * steps:
        epoch, taken = divmod(step, steps)
        last = epoch + 1 if taken else reports  # the rest of a period that was interrupted is first
        model.steps_per_execution = distribution.steps_per_execution(config, steps - taken)
        model.make_train_function(force=True)
        callbacks = [RestoreMeans(model)] if taken else []
        callbacks += [StopOnNonFinite(), ProgressBar()]
        callbacks += [report, StopOnSignal(signals, run)]
        failures = []
        try:
            with signals.deferred():
                model.fit(
                    pipeline(dataset, config, step, model.current_seed, failures),
                    initial_epoch=epoch,
                    epochs=last,
                    steps_per_epoch=steps - taken,
                    callbacks=callbacks,
                    shuffle=False,  # the pipeline has its own order
                    verbose=int(sys.stdout.isatty()),  # a log file gets the reports' lines only
                )
            step = last * steps
        except DivergedError as error:
            step = _roll_back(model, config, run, error)
        except Exception:
            if failures:  # the data's own error, which TensorFlow replaces by another
                raise failures[0] from None
            raise


def _roll_back(model: Autoencoder, config: Config, run: RunFolder, error: DivergedError) -> int:
    """Restore the newest checkpoint, from where other batches and noise follow; returns its step.

    Raises:
        DivergedError: no rollback is asked for or possible, or several did not help.
    """
    rollbacks = model.rollbacks + 1
    if config.on_nonfinite == "stop":
        raise error
    step = checkpoints.restore_newest(run.checkpoints, model)
    if not step:
        raise DivergedError(f"{error}. There is no checkpoint yet to roll back to") from error
    if rollbacks - model.rollbacks > ROLLBACKS:
        raise DivergedError(f"{error}. {ROLLBACKS} rollbacks to step {step} did not help")
    model.rollbacks = rollbacks
    if distribution.is_chief(config):
        run.rewind(step)
    print(f"{error}\nrolled back to step {step}; other batches and noise from here on")
    return step


def _export(run: RunFolder, step: int) -> None:
    """Export the finished run, unless it is exported already."""
    folder = run.path / "saved_model"
    with contextlib.suppress(UsageError):  # it does not exist, or is damaged
        if read_about(str(folder))["step"] == step:
            return
    with Signals().deferred(), saving(folder, "the run is saved; the same command exports it"):
        print(f"exported: {export_run(run.path, folder, overwrite=True)}")
