"""The story of a run, in one function."""

import dataclasses

import keras
import tensorflow as tf

from acai_tf import checkpoints
from acai_tf.callbacks import Progress, Report, StopOnNonFinite
from acai_tf.config import Config, changed_settings, specific_settings
from acai_tf.data import canonical_name, load_dataset
from acai_tf.data.dataset import Dataset
from acai_tf.errors import UsageError
from acai_tf.models import MODELS, build_model, refuse_unread
from acai_tf.models.base import Autoencoder
from acai_tf.optimizer import adam
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
    config = dataclasses.replace(config, run_dir=config.run_dir or default_run_dir(config))
    refuse_unread(config.model, changed_settings(config))
    if keras.backend.backend() != "tensorflow":
        raise UsageError(f"KERAS_BACKEND={keras.backend.backend()}: training needs tensorflow")
    steps, reports = config.steps_per_report, config.reports
    run = RunFolder(config.run_dir)
    run.check(config)  # now, before data are loaded; and again once the folder is ours
    print(describe(config))
    dataset = load_dataset(config)

    keras.utils.set_random_seed(config.seed)  # of the initial weights
    model = build_model(config, dataset.image_shape, dataset.classes)
    model.compile(optimizer=adam(model))

    with run.held():
        run.check(config)
        step = checkpoints.restore_newest(run.checkpoints, model)
        if step > reports * steps:
            raise UsageError(
                f"{run.path} is past --total_kimg={config.total_kimg} already"
                f" (kimg {step // steps * config.report_kimg})"
            )
        run.rewind(step)
        run.begin(config)
        if step:
            print(f"continuing {run.path} from kimg {step // steps * config.report_kimg}")
        callbacks = [StopOnNonFinite(), Progress(config, step), Report(config, dataset, run)]
        try:
            model.fit(
                pipeline(dataset, config, step),
                epochs=reports,
                initial_epoch=step // steps,
                steps_per_epoch=steps,
                callbacks=callbacks,
                shuffle=False,  # the pipeline has its own order
                verbose=0,
            )
        except KeyboardInterrupt:
            print(f"\nthe same command goes on from the last report in {run.path}")
            raise
    print(f"done: {run.path} (sheets/, metrics.jsonl; tensorboard --logdir {run.path})")
    return model


def pipeline(dataset: Dataset, config: Config, first_step: int) -> tf.data.Dataset:
    """The training batches from `first_step` on, drawn ahead in the background."""
    batches = dataset.batches(config.batch, config.seed, first_step)
    shapes = {name: (array.dtype, array.shape) for name, array in next(batches).items()}
    return tf.data.Dataset.from_generator(
        lambda: dataset.batches(config.batch, config.seed, first_step),
        output_signature={
            name: tf.TensorSpec(shape, dtype) for name, (dtype, shape) in shapes.items()
        },
    ).prefetch(tf.data.AUTOTUNE)


def describe(config: Config) -> str:
    """The settings that the run reads, one a line; * marks what is not the default."""
    changed = changed_settings(config)
    unread = specific_settings() - set(MODELS[config.model].reads)
    read = {name: value for name, value in config.to_dict().items() if name not in unread}
    width = max(map(len, read))
    lines = [
        f"  {name:<{width}}  {value}{'  *' if name in changed else ''}"
        for name, value in read.items()
    ]
    return "\n".join(["configuration (* differs from the default):", *lines])
