"""Regularizers: what an autoencoder can wear beside its reconstruction loss."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import keras

from acai_tf.errors import UsageError


class Forward:
    """One training pass, as regularizers see it.

    Real and mixed images may differ in the mixing alone. So everything here is made in one way:
    `decode` uses the noise of this step (the dropout mask, say) but no sampling, and `x_hat` is
    `decode(code)`.

    Attributes:
        x: prepared input, in the space of decoded images.
        code: [B, ...], what interpolations act on.
        decode: codes -> images.
        judge: see `Autoencoder.judge`.
        scale: weight that makes a term comparable with the reconstruction loss.
    """

    def __init__(self, x, code, x_hat: Callable, decode: Callable, judge: Callable, scale):
        self.x, self.code, self.decode, self.judge = x, code, decode, judge
        self.scale, self._x_hat = scale, x_hat

    @functools.cached_property
    def x_hat(self):
        """The reconstruction decoded from `code`; made only where a regularizer reads it."""
        return self._x_hat()


class Terms(NamedTuple):
    """What a regularizer adds to a step.

    Attributes:
        autoencoder: added to the autoencoder's loss.
        adversary: minimised by the regularizer's own weights; None: it has none.
        logs: {name in log_names: scalar}.
    """

    autoencoder: Any
    adversary: Any = None
    logs: Mapping[str, Any] = MappingProxyType({})


class Regularizer(keras.layers.Layer):
    """Base class. A subclass overrides `terms`; with weights of its own it is a player.

    Args:
        learning_rate: of its own weights; None: the optimizer's.
        name: of the player; its networks and logs should carry it too.

    Attributes:
        log_names: what `terms` logs.
        separate: whether, in the gradient of the sum of all losses, each loss reaches its own
            player's weights alone (see `Autoencoder.judge`). Then one backward pass serves all.
    """

    log_names: tuple[str, ...] = ()
    separate = False

    def __init__(self, learning_rate: float | None = None, name: str | None = None, **options: Any):
        # Not Keras' automatic name, which counts: it is part of checkpoints.
        super().__init__(name=name or type(self).__name__.lower(), **options)
        self.learning_rate = learning_rate
        self.built = True

    def attach(self, model) -> None:
        """Make networks for an `Autoencoder` whose shapes are known."""

    def noise(self, seed, batch) -> dict:
        """The random numbers of one step, name -> tensor [batch, ...], and what else depends on
        the step, which is `seed.step`."""
        return {}

    def terms(self, forward: Forward, noise: dict) -> Terms:
        """The loss terms of one step."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {**super().get_config(), "learning_rate": self.learning_rate}


def same_shape(what: str, got: tuple, expected: tuple) -> None:
    """Raises UsageError where two shapes, the batch left out, are not the same."""
    if tuple(got) != tuple(expected):
        raise UsageError(f"{what} has shape {tuple(got)}, it must be {tuple(expected)}")
