"""How large a model is, from its settings alone: before memory is taken for it."""

import itertools
import pathlib

from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import model_class


def check(
    config: Config, image_shape: tuple[int, int, int], classes: int, *files: pathlib.Path
) -> None:
    """See that the weights of a model can be in some files.

    Args:
        config, image_shape, classes: as `build_model` takes them.
        files: where its weights are.

    Raises:
        UsageError: they are too small for it, or the settings are of no model.
        OSError: one is not there.
    """
    size = sum(file.stat().st_size for file in files)
    if count(config, image_shape, classes) * 2 > size:  # pretrained ones are kept in 16 bits
        names = ", ".join(map(str, files))
        raise UsageError(f"the model is larger than {names}, of another model or cut short")


def count(config: Config, image_shape: tuple[int, int, int], classes: int) -> int:
    """How many numbers the weights of a model are.

    Args:
        config, image_shape, classes: as `build_model` takes them.

    Raises:
        UsageError: a latent_width that does not fit, or layer sizes that are none.
    """
    scales, colors = config.scales(image_shape[0]), image_shape[2]
    up = _twice(config.depth << scale for scale in reversed(range(scales)))
    decoder = _convolutions([config.latent, *up, config.depth, colors])
    probe = dense(config.code_size, classes)
    own = model_class(config.model).own_weights(config, image_shape)
    return encoder(config, image_shape, config.depth) + decoder + probe + own


def encoder(config: Config, image_shape: tuple[int, int, int], depth: int) -> int:
    """Numbers in an encoder of this depth, or in ACAI's critic."""
    scales = config.scales(image_shape[0])
    body = [depth, *_twice(depth << scale for scale in range(scales)), depth << scales]
    return dense(image_shape[2], depth) + _convolutions([*body, config.latent])


def dense(inputs: int, outputs: int) -> int:
    """Numbers in a dense layer: kernel and bias."""
    return (inputs + 1) * outputs


def _convolutions(channels: list[int]) -> int:
    """Of 3x3 convolutions one after another."""
    return sum(dense(9 * inputs, outputs) for inputs, outputs in itertools.pairwise(channels))


def _twice(values) -> list[int]:
    return [value for value in values for _ in range(2)]
