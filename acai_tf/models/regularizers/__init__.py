"""Regularizers: terms added to an autoencoder's loss."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import keras

from acai_tf.errors import UsageError


class Forward(NamedTuple):
    """One training pass, as regularizers see it.

    Real and mixed images must differ in the mixing only. So `decode` uses this step's noise (a
    dropout mask, for example) but does not sample, and `x_hat` is `decode(code)`.

    Attributes:
        x: prepared input, in the space of decoded images.
        code: codes [B, ...], which interpolations act on.
        x_hat: reconstructions, decoded from `code`.
        decode: a function of codes [B, ...] that returns images.
        encode: a function of such images that returns their codes [B, ...]. A reconstruction whose
            images are not what the encoder takes does not serve it.
        discriminate: a function (network, x) that returns what the regularizer's own network says
            of x twice: for the network's own loss, and for the autoencoder's (see
            `Autoencoder.discriminate`).
        scale: weight that makes a term comparable to the reconstruction loss.

    `Regularizer` has an example.
    """

    x: Any
    code: Any
    x_hat: Any
    decode: Callable
    encode: Callable
    discriminate: Callable
    scale: float


class Terms(NamedTuple):
    """What a regularizer adds to a training step.

    Attributes:
        autoencoder: scalar added to the autoencoder's loss.
        adversary: scalar minimized by the regularizer's own weights; None if it has none.
        logs: {name in the regularizer's log_names: scalar}.

    Examples:
        >>> terms = acai_tf.Terms(autoencoder=0.1, logs={"loss_small": 0.2})
    """

    autoencoder: Any
    adversary: Any = None
    logs: Mapping[str, Any] = MappingProxyType({})


class Regularizer(keras.layers.Layer):
    """Base class of regularizers; a subclass overrides `terms`. One with weights is a player.

    Args:
        weight: factor of the term that the autoencoder minimizes, finite and at least 0. Multiply
            it by `Forward.scale`, and it is in units of the reconstruction loss per element.
        learning_rate: of its own player; None for the optimizer's.
        name: of the player. Begin the names of its networks and logs with it.

    Attributes:
        log_names: names of the scalars in `Terms.logs`.
        shares_backward: set it to True if `terms` calls its network on what the autoencoder made
            with `forward.discriminate` only. In the gradient of the sum of all losses each loss
            then reaches its own player alone, and one backward pass serves all players.
        own_player: False if its weights minimize the autoencoder's loss, as part of that player.

    Raises:
        UsageError: a weight below 0, or not finite.

    Examples:
        >>> class SmallCodes(acai_tf.Regularizer):
        ...     log_names = ("loss_small",)
        ...
        ...     def terms(self, forward, noise):
        ...         loss = keras.ops.mean(keras.ops.square(forward.code))
        ...         weight = self.weight * forward.scale
        ...         return acai_tf.Terms(weight * loss, logs={"loss_small": loss})
        >>> model = acai_tf.VAE(encoder, decoder, regularizers=[SmallCodes(weight=0.1)])
    """

    log_names: tuple[str, ...] = ()
    shares_backward = False
    own_player = True

    def __init__(
        self,
        weight: float = 1.0,
        learning_rate: float | None = None,
        name: str | None = None,
        **options: Any,
    ):
        # Not Keras' automatic name, which has a counter: checkpoints contain it.
        super().__init__(name=name or type(self).__name__.lower(), **options)
        if not 0 <= weight < math.inf:
            raise UsageError(f"{self.name}: weight must be at least 0 and finite, got {weight}")
        self.weight, self.learning_rate = weight, learning_rate
        self.built = True

    def check_at_least_0(self, **values: float) -> None:
        """Raise UsageError if one of the constructor's arguments is below 0, or NaN."""
        for what, value in values.items():
            if not value >= 0:
                raise UsageError(f"{self.name}: {what} must be at least 0, got {value}")

    def attach(self, model) -> None:
        """Make the networks, for an `Autoencoder` whose shapes are known."""

    def noise(self, seed, batch) -> dict:
        """The step's random numbers, {name: tensor [batch, ...]}; `seed.step` is the step."""
        return {}

    def terms(self, forward: Forward, noise: dict) -> Terms:
        """The loss terms of one training step."""
        raise NotImplementedError

    def get_config(self) -> dict:
        own = {"weight": self.weight, "learning_rate": self.learning_rate}
        return {**super().get_config(), **own}
