"""The story of a run, in one function."""

import dataclasses

import keras

from acai_tf import checkpoints, devices
from acai_tf.backend import BACKENDS
from acai_tf.callbacks import Progress, Report, StopOnNonFinite
from acai_tf.config import Config, changed_settings, settings_unread_by, specific_settings
from acai_tf.data import canonical_name, config_name, load_dataset
from acai_tf.data.dataset import Dataset
from acai_tf.data.pipeline import pipeline
from acai_tf.draws import seed_weights
from acai_tf.errors import UsageError
from acai_tf.models import MODELS, build_model, refuse_unread
from acai_tf.models.base import Autoencoder
from acai_tf.optimizer import adam
from acai_tf.original import checkpoint as original
from acai_tf.original.folder import absolute
from acai_tf.run_folder import RunFolder, default_run_dir


def train(config: Config) -> Autoencoder:
    """Train `config`, or go on with it where its run folder left off.

    Returns:
        The trained model.

    Raises:
        UsageError: bad input; see the messages.
        DivergedError: a loss or a weight is no longer finite.
    """
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
    steps, reports = config.steps_per_report, config.reports
    run = RunFolder(config.run_dir)
    run.check(config)  # now, before data are loaded; and again once the folder is ours
    print(describe(config))
    dataset = load_dataset(config)
    dataset.check_batch(config.batch)
    images = dataset.fingerprint()

    with devices.spread(config.batch), run.held():
        seed_weights(config.seed)
        model = build_model(config, dataset.image_shape, dataset.classes)
        model.compile(optimizer=adam(model))
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
                f" (kimg {step // steps * config.report_kimg})"
            )
        run.rewind(saved)
        run.begin(config, images, dataset.class_names)
        if step:
            print(f"continuing {run.path if saved else config.original} from step {step}")
        try:
            _fit(model, dataset, config, step, run)
        except KeyboardInterrupt:
            print(f"\nthe same command goes on from the last checkpoint in {run.path}")
            raise
    print(f"done: {run.path} (sheets/, metrics.jsonl; tensorboard --logdir {run.path})")
    return model


def _fit(model: Autoencoder, dataset: Dataset, config: Config, step: int, run: RunFolder) -> None:
    """Train from `step` to the end; a Keras epoch is a report period."""
    steps, reports = config.steps_per_report, config.reports
    callbacks = [StopOnNonFinite(step), Progress(config, step), Report(config, dataset, run)]
    while step < reports * steps:
        period, taken = divmod(step, steps)
        # The original saved at any step: what is left of the period it was in comes first.
        last = period + 1 if taken else reports
        model.fit(
            pipeline(dataset, config, step),
            initial_epoch=period,
            epochs=last,
            steps_per_epoch=steps - taken,
            callbacks=callbacks,
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        )
        step = last * steps


def describe(config: Config) -> str:
    """The settings that the run reads, one a line; * marks what is not the default."""
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
