"""The paper's optimizer: Adam, with a learning rate for each player."""

import keras

from acai_tf.config import Config
from acai_tf.models.schedule import Schedule


@keras.saving.register_keras_serializable("acai_tf")
class PlayerAdam(keras.optimizers.Adam):
    """Adam with learning rates for single variables.

    Adam works element by element, so one Adam over all variables equals one Adam per player, as
    the original program has them, up to their learning rates.

    Args:
        rates: {variable's path: its learning rate}; other variables use `learning_rate`. If that
            is a `Schedule`, these are multiplied by its factor too.
        args, kwargs: as for `keras.optimizers.Adam`.

    Examples:
        >>> rates = {"critic/dense/kernel": 1e-3}
        >>> optimizer = acai_tf.PlayerAdam(1e-4, epsilon=1e-8, rates=rates)
    """

    def __init__(self, *args, rates: dict[str, float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.rates = dict(rates or {})

    def build(self, variables):
        super().build(variables)
        self._rate_list = [self.rates.get(variable.path) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        # Keras passes the backend's variable here, which has no path; it is found by its index.
        own = self._rate_list[self._get_variable_index(variable)]
        if own is not None:
            learning_rate = self._scheduled(own)
        super().update_step(gradient, variable, learning_rate)

    def _scheduled(self, rate):
        schedule = self._learning_rate
        return rate * schedule.factor(self.iterations) if isinstance(schedule, Schedule) else rate

    def get_config(self):
        return {**super().get_config(), "rates": dict(self.rates)}


def adam(model, lr: float | Schedule = 1e-4, probe_lr: float | None = None) -> PlayerAdam:
    """The paper's optimizer for an `Autoencoder`, built; epsilon is TF1's 1e-8.

    Args:
        model: the autoencoder.
        lr: learning rate of all players that set none.
        probe_lr: of the probe, if there is one; None: lr.
    """
    common = lr.learning_rate if isinstance(lr, Schedule) else lr
    rates = {
        variable.path: rate
        for player, rate in {**model.learning_rates(), "probe": probe_lr}.items()
        if rate not in (None, common)
        for variable in model.players().get(player, ())
    }
    optimizer = PlayerAdam(lr, epsilon=1e-8, rates=rates, name="adam")
    optimizer.build(model.trainable_variables)  # before a checkpoint can restore it
    return optimizer


def scheduled(config: Config) -> float | Schedule:
    """The learning rate of a run's settings; a number if it is constant, as published."""
    if config.schedule == "constant" and not config.warmup_steps:
        return config.lr
    cooldown = config.steps - config.cooldown_begins
    return Schedule(config.lr, config.steps, config.schedule, config.warmup_steps, cooldown)


def scheduled_rates(model) -> dict[str, float]:
    """{name: learning rate of the next step}, of a compiled model: the common one, and those of
    players that have their own. Empty if they are constant."""
    optimizer = model.optimizer
    if not isinstance(optimizer._learning_rate, Schedule):
        return {}
    rates = {"learning_rate": float(optimizer.learning_rate)}
    for player, variables in model.players().items():
        if (own := optimizer.rates.get(variables[0].path)) is not None:
            rates[f"learning_rate_{player}"] = float(optimizer._scheduled(own))
    return rates
