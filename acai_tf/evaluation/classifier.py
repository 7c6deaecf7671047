"""A small classifier of a dataset's images, trained separately from any autoencoder."""

import sys

import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from acai_tf.data.dataset import Dataset
from acai_tf.evaluation.context import Context, shared, shrunk, shrunk_size

STEPS, BATCH = 3000, 64  # 192,000 images: a minute or so on two cores
LEARNING_RATE = 2e-3  # initial; cosine decay to 0


def build(image_shape: tuple[int, int, int], classes: int) -> keras.Sequential:
    """Images [B, h, w, C], float in [-1, 1] -> logits [B, classes]; h and w are 32 at most."""

    def normal(seed):
        return keras.initializers.HeNormal(seed=seed)

    common = {"strides": 2, "padding": "same", "activation": "relu"}
    stack = [
        layers.Conv2D(channels, 3, kernel_initializer=normal(i), name=f"conv{i}", **common)
        for i, channels in enumerate((32, 64, 128))
    ]
    stack += [layers.Flatten(), layers.Dense(classes, kernel_initializer=normal(3), name="logits")]
    return keras.Sequential([keras.Input(image_shape), *stack], name="classifier")


def train(dataset: Dataset) -> keras.Sequential:
    """A classifier trained on the training images; a function of those and the Keras backend."""
    model = build(_input_shape(dataset), dataset.classes)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    quiet = not sys.stderr.isatty()
    for step in tqdm(range(STEPS), desc="classifier", unit="step", disable=quiet):
        batch = dataset.batch_at(step, BATCH, seed=0)
        model.train_on_batch(shrunk(batch["image"]), batch["label"])
    return model


@shared
def trained(context: Context) -> keras.Sequential:
    """The classifier of a context's dataset, the same for all models, from the cache if possible.
    Raises CannotEvaluate if there are no classes."""
    context.check_classes()

    def compute():
        return {str(i): array for i, array in enumerate(train(context.dataset).get_weights())}

    name = f"classifier-{keras.backend.backend()}"
    model = build(_input_shape(context.dataset), context.dataset.classes)
    model.set_weights(list(context.cached("transitions", name, compute).values()))
    return model


def probabilities(model: keras.Sequential, images: np.ndarray) -> np.ndarray:
    """p(class | image) for images [N, h, w, C], float in [-1, 1]: [N, classes]."""
    logits = model.predict(images, batch_size=500, verbose=0)
    return ops.convert_to_numpy(ops.softmax(logits))


def features(model: keras.Sequential) -> keras.Model:
    """From images [B, h, w, C] to its last convolution, averaged over places: [B, 128]."""
    return keras.Model(model.inputs, ops.mean(model.get_layer("conv2").output, axis=(1, 2)))


def _input_shape(dataset: Dataset) -> tuple[int, int, int]:
    height, width, colors = dataset.image_shape
    return *shrunk_size(height, width), colors
