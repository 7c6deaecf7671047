"""A small classifier of a dataset's images, trained apart from any autoencoder."""

import contextlib
import os
import sys

import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from acai_tf.data.dataset import Dataset
from acai_tf.evaluation import code_hash
from acai_tf.evaluation.context import Context, shared, shrunk, shrunk_size

STEPS, BATCH = 3000, 64  # 192,000 images: a minute or so on two cores
LEARNING_RATE = 2e-3  # at the start; it falls to 0 as a cosine does


def build(image_shape: tuple[int, int, int], classes: int) -> keras.Sequential:
    """Images [B, h, w, C], float in [-1, 1] -> logits [B, classes]; h and w are 32 at most."""
    stack = [keras.Input(image_shape)]
    for index, channels in enumerate((32, 64, 128)):
        stack.append(
            layers.Conv2D(
                channels,
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=index),
                name=f"conv{index}",
            )
        )
    last = keras.initializers.HeNormal(seed=3)
    stack += [layers.Flatten(), layers.Dense(classes, kernel_initializer=last, name="logits")]
    return keras.Sequential(stack, name="classifier")


def train(dataset: Dataset) -> keras.Sequential:
    """Train it on the training images; a function of the images and the Keras backend."""
    model = build(_input_shape(dataset), dataset.classes)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    show = not sys.stderr.isatty()
    for step in tqdm(range(STEPS), desc="classifier", unit="step", disable=show):
        batch = dataset.batch_at(step, BATCH, seed=0)
        model.train_on_batch(shrunk(batch["image"]), batch["label"])
    return model


@shared
def trained(context: Context) -> keras.Sequential:
    """The classifier of a context's dataset: one for all models, kept in the context's cache.

    Raises:
        CannotEvaluate: there are no classes.
    """
    context.check_classes()
    if context.cache is None:
        return train(context.dataset)
    of = f"{code_hash('classifier')}-{keras.backend.backend()}"
    path = context.cache / f"classifier-{of}.weights.h5"
    if path.exists():
        model = build(_input_shape(context.dataset), context.dataset.classes)
        # Where it is damaged, h5py and Keras raise several kinds.
        with contextlib.suppress(OSError, ValueError, KeyError, RuntimeError):
            model.load_weights(path)
            return model
    model = train(context.dataset)
    partial = path.with_name(f"{os.getpid()}-{path.name}")
    with contextlib.suppress(OSError):  # a cache that cannot be written is none
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save_weights(partial)
        os.replace(partial, path)
    return model


def probabilities(model: keras.Sequential, images: np.ndarray) -> np.ndarray:
    """p(class | image) for images [N, h, w, C], float in [-1, 1]: [N, classes]."""
    logits = model.predict(images, batch_size=500, verbose=0)
    return ops.convert_to_numpy(ops.softmax(logits))


def _input_shape(dataset: Dataset) -> tuple[int, int, int]:
    height, width, colors = dataset.image_shape
    return *shrunk_size(height, width), colors
