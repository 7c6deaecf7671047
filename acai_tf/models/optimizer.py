"""The paper's optimizer: Adam, with a learning rate for each player."""

import keras


@keras.saving.register_keras_serializable("acai_tf")
class PlayerAdam(keras.optimizers.Adam):
    """Adam with learning rates for single variables.

    Adam works element by element, so one Adam over all variables equals one Adam per player, as
    the original program has them, up to their learning rates.

    Args:
        rates: {variable's path: its learning rate}; other variables use `learning_rate`.
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
        super().update_step(gradient, variable, learning_rate if own is None else own)

    def get_config(self):
        return {**super().get_config(), "rates": dict(self.rates)}


def adam(model, lr: float = 1e-4) -> PlayerAdam:
    """The paper's optimizer for an `Autoencoder`, built; epsilon is TF1's 1e-8.

    Args:
        model: the autoencoder.
        lr: learning rate of all players that set none.
    """
    rates = {
        variable.path: rate
        for player, rate in model.learning_rates().items()
        if rate not in (None, lr)
        for variable in model.players()[player]
    }
    optimizer = PlayerAdam(lr, epsilon=1e-8, rates=rates, name="adam")
    optimizer.build(model.trainable_variables)  # before a checkpoint can restore it
    return optimizer
