"""How training batches reach `fit`."""

from acai_tf.config import Config
from acai_tf.data.dataset import Dataset


def pipeline(dataset: Dataset, config: Config, first_step: int):
    """The training batches from `first_step` on, as the Keras backend takes them.

    Batches are {"image": [B, H, W, C], "label": [B]}. For TensorFlow a tf.data.Dataset draws them
    ahead in the background. For JAX a generator yields them in tuples of one, and TensorFlow is
    not imported; steps are dispatched ahead of the device there, so that the next batch is drawn
    while it works.
    """
    import keras

    batches = dataset.batches(config.batch, config.seed, first_step)
    if keras.backend.backend() != "tensorflow":
        return ((batch,) for batch in batches)  # Keras asks generators for tuples
    import tensorflow as tf

    shapes = {name: (array.dtype, array.shape) for name, array in next(batches).items()}
    return tf.data.Dataset.from_generator(
        lambda: dataset.batches(config.batch, config.seed, first_step),
        output_signature={
            name: tf.TensorSpec(shape, dtype) for name, (dtype, shape) in shapes.items()
        },
    ).prefetch(tf.data.AUTOTUNE)
