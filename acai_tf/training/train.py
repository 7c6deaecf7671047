"""The story of a run, in one function."""

import contextlib
import dataclasses

import keras
import numpy as np

from acai_tf import pretrained
from acai_tf.backend import BACKENDS
from acai_tf.config import KIMG, Config, changed_settings, configured, specific_settings
from acai_tf.data import ARRAYS, canonical_name, load_dataset, settings_unread
from acai_tf.data.dataset import Dataset
from acai_tf.data.pipeline import pipeline
from acai_tf.errors import DivergedError, UsageError
from acai_tf.export.exported import read_about
from acai_tf.export.write import export_run
from acai_tf.files import saving
from acai_tf.loading import load
from acai_tf.models import build_model, refuse_unread, settings_read
from acai_tf.models.autoencoder import Autoencoder
from acai_tf.models.noise import seed_weights
from acai_tf.models.optimizer import adam
from acai_tf.original import checkpoint as original
from acai_tf.original.folder import absolute
from acai_tf.training import checkpoints, distribution, workers
from acai_tf.training.callbacks import Progress, Report
from acai_tf.training.preemption import Signals
from acai_tf.training.run_folder import RunFolder, default_run_dir
from acai_tf.training.watch import KeepMeans, StopOnNonFinite, StopOnSignal

A_MODEL = "(a model)"  # what config.json says of train(init=model)
ROLLBACKS = 3  # to one checkpoint, before it is clear that chance will not help


def train(
    config: Config | None = None,
    data: tuple | None = None,
    init: str | Autoencoder = "",
    **settings,
) -> Autoencoder:
    """Train a model and export it, or resume its run where it stopped: what train.py does.

    Args:
        config: the run's settings.
        data: (train_images, train_labels, test_images, test_labels), in place of a dataset's name:
            images uint8 [N, H, W, C] or [N, H, W], labels whole numbers [N] or None. The run's
            dataset is called "arrays".
        init: a model whose weights the run starts from, or where to find one, as --init.
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
    config = _resolved(config, data, init, settings)
    distribution.prepare(config)
    run, chief = RunFolder(config.run_dir), distribution.is_chief(config)
    run.check(config)  # now, before data are loaded; and again once the folder is ours
    print(describe(config))
    begun = checkpoints.checkpoints(run.checkpoints)
    start = _weights_of(init or config.init) if config.init and not begun else {}
    dataset = load_dataset(config, data)
    dataset.check_batch(config.batch)
    images = dataset.fingerprint()

    with distribution.spread(config), run.held() if chief else contextlib.nullcontext():
        seed_weights(config.seed)
        model = build_model(config, dataset.image_shape, dataset.classes)
        model.compile(optimizer=adam(model, config.lr), jit_compile=distribution.xla(config))
        run.check(config, images)
        step = _restore(model, config, run, start)
        if chief:
            run.begin(config, images, dataset.class_names, dataset.image_shape)
        _fit(model, dataset, config, step, run)
    print(f"done: {run.path} (sheets/, metrics.jsonl; tensorboard --logdir {run.path})")
    if config.export and chief and keras.backend.backend() == "tensorflow":
        _export(run, config.reports * config.steps_per_report)
    return model


def _resolved(config: Config | None, data, init, settings: dict) -> Config:
    """The configuration that is meant, with every name and path as config.json has it, checked."""
    if data is not None:
        settings = {"dataset": ARRAYS, **settings}
    if init:
        settings["init"] = init if isinstance(init, str) else A_MODEL
    config = configured(config, settings)
    config = dataclasses.replace(config, dataset=canonical_name(config.dataset))
    if config.original:
        config = dataclasses.replace(config, original=str(absolute(config.original)))
    config = dataclasses.replace(config, run_dir=config.run_dir or default_run_dir(config))
    for name in ("data_dir", "cache_dir"):
        if (folder := getattr(config, name)) and "://" not in folder:
            config = dataclasses.replace(config, **{name: str(absolute(folder))})
    if config.init not in ("", A_MODEL):
        config = dataclasses.replace(config, init=_init_name(config.init))
    if config.init and config.original:
        raise UsageError("give --init or --original, not both")
    refuse_unread(config.model, changed_settings(config), config.regularizers)
    _ = config.reports, config.steps_per_report
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(f"training runs with KERAS_BACKEND={' or '.join(BACKENDS)}")
    return config


def _restore(model: Autoencoder, config: Config, run: RunFolder, start: dict) -> int:
    """Give the model the weights that the run begins or goes on with; the step it is at.

    Args:
        start: weights by name, for a run that has no checkpoint yet.
    """
    end = config.reports * config.steps_per_report
    saved = step = checkpoints.restore_newest(run.checkpoints, model)
    if config.original and not saved:
        step = original.restore(config.original, model)
        if step >= end:
            raise UsageError(
                f"{config.original} has {step} steps, --total_kimg={config.total_kimg} are {end};"
                " give a larger one to go on"
            )
    if start:
        print(_start_from(config.init, start, model))
    if step > end:
        raise UsageError(
            f"{run.path} is past --total_kimg={config.total_kimg} already"
            f" (kimg {step * config.batch / KIMG:g})"
        )
    if len(begins := set(workers.of_all_workers(step))) > 1:
        raise UsageError(
            f"the workers begin at different steps, {sorted(begins)}: --run_dir={run.path} must be"
            " one folder that all of them see"
        )
    if distribution.is_chief(config):
        run.rewind(saved, config.steps_per_report)
    if step == end:
        print(f"{run.path} is finished; a larger --total_kimg lengthens it")
    elif step:
        print(f"continuing {run.path if saved else config.original} from step {step}")
    return step


def _init_name(path: str) -> str:
    """--init as config.json has it: a pretrained model's name, or a folder from the root on."""
    if pretrained.is_pretrained(pretrained.resolve(path)):
        return path.rstrip("/")
    return str(absolute(path))


def _weights_of(init: str | Autoencoder) -> dict[str, np.ndarray]:
    """The weights to start from, by name, copied."""
    model = load(init, weights=True) if isinstance(init, str) else init
    if not isinstance(model, Autoencoder):
        raise UsageError(f"init takes an Autoencoder or where to find one, not a {type(model)}")
    return {name: np.array(variable) for name, variable in checkpoints.weights(model).items()}


def _start_from(init: str, start: dict[str, np.ndarray], model: Autoencoder) -> str:
    """Copy the weights that fit, and say which do not; raises UsageError where none does."""
    copied, fresh = checkpoints.copy_weights(model, start)
    if not copied:
        raise UsageError(
            f"no weights of {init} fit this model; give the settings of its networks"
            " (--depth, --latent, --latent_width, --networks, --image_size)"
        )
    parts = {name.partition("/")[0] for name in copied}  # of which some weights fit
    named = dict.fromkeys(
        name if name.partition("/")[0] in parts else name.partition("/")[0] for name in fresh
    )
    rest = f"; these start fresh: {', '.join(named)}" if fresh else ""
    return f"starting from {init}: {len(copied)} of {len(copied) + len(fresh)} weights fit{rest}"


def _fit(model: Autoencoder, dataset: Dataset, config: Config, step: int, run: RunFolder) -> None:
    """Train from `step` to the end; a Keras epoch is a report period."""
    steps, reports = config.steps_per_report, config.reports
    signals, report, progress = Signals(), Report(config, dataset, run), Progress(config, step)
    while step < reports * steps:
        # A run may have been saved at any step: what is left of its period comes first.
        period, taken = divmod(step, steps)
        last = period + 1 if taken else reports
        model.steps_per_execution = distribution.steps_at_once(config, steps - taken)
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
                    pipeline(dataset, config, step, model.current_seed, failures),
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
    if distribution.is_chief(config):
        run.rewind(step, config.steps_per_report)
    print(f"{trouble}\nrolled back to step {step}; other batches and draws from here on")
    return step


def describe(config: Config) -> str:
    """The settings that the run reads, one a line; * marks what is not the default for its
    dataset and model."""
    changed = changed_settings(config)
    unread = specific_settings() - set(settings_read(config.model, config.regularizers))
    unread |= settings_unread(config.dataset)
    read = {name: value for name, value in config.to_dict().items() if name not in unread}
    width = max(map(len, read))
    lines = [
        f"  {name:<{width}}  {value}{'  *' if name in changed else ''}"
        for name, value in read.items()
    ]
    return "\n".join(["configuration (* differs from the default):", *lines])
