"""How large a model is, from its settings alone: before memory is taken for it."""

import itertools
import pathlib

from acai_tf.config import Config
from acai_tf.errors import UsageError


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
    if count(config, image_shape, classes) * 4 > size:  # float32, as they are
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
    code = config.latent_width**2 * config.latent

    def encoder(depth):
        body = [depth, *_twice(depth << scale for scale in range(scales)), depth << scales]
        return _dense(colors, depth) + _convolutions([*body, config.latent])

    up = _twice(config.depth << scale for scale in reversed(range(scales)))
    decoder = _convolutions([config.latent, *up, config.depth, colors])
    own = 0
    if config.model == "acai":
        own = encoder(config.advdepth or config.depth)
    elif config.model == "aae":
        sizes = [code, *config.layer_sizes("disc_layer_sizes"), 1]
        own = sum(itertools.starmap(_dense, itertools.pairwise(sizes)))
    elif config.model == "vae":
        own = 2 * _dense(code, code)
    elif config.model == "vqvae":
        from acai_tf.models.vqvae import FILTER_SIZE

        vectors = code * config.num_latents
        own = (2 * code + 1) * 2**config.z_log_size  # the codes, and two moving averages
        own += _dense(code, vectors) + _dense(vectors, FILTER_SIZE) + _dense(FILTER_SIZE, code)
    return encoder(config.depth) + decoder + _dense(code, classes) + own


def _twice(values) -> list[int]:
    return [value for value in values for _ in range(2)]


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _convolutions(channels: list[int]) -> int:
    """Of 3x3 convolutions one after another."""
    return sum(_dense(9 * inputs, outputs) for inputs, outputs in itertools.pairwise(channels))
