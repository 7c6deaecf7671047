"""The original's optimisers, all of them in one."""

import keras


@keras.saving.register_keras_serializable("acai_tf")
class PlayerAdam(keras.optimizers.Adam):
    """Adam with a learning rate per player.

    Adam works element by element, so one Adam over all variables does what one per player does;
    only the learning rates may differ.

    Args:
        rates: variable's path -> its learning rate; the common one where it is not named.
    """

    def __init__(self, *args, rates: dict[str, float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.rates = dict(rates or {})

    def build(self, variables):
        super().build(variables)
        self._rate_list = [self.rates.get(variable.path) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        # `variable` is the backend's own here, without a path; Keras' optimizers go by its index.
        own = self._rate_list[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate if own is None else own)

    def get_config(self):
        return {**super().get_config(), "rates": dict(self.rates)}


def adam(model, lr: float = 1e-4) -> PlayerAdam:
    """The paper's optimizer for a model, built: Adam, each player at its own learning rate.

    Its epsilon is TF1's 1e-8; Keras' own default is ten times that.

    Args:
        model: an `Autoencoder`.
        lr: of all players that have none of their own.
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
