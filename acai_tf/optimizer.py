"""The original's optimisers, all of them in one."""

import keras


@keras.saving.register_keras_serializable("acai_tf")
class PlayerAdam(keras.optimizers.Adam):
    """Adam with a learning rate per player.

    Adam works element by element, so one Adam over all variables does what one per player does;
    only the learning rates may differ.

    Args:
        factors: variable's path -> factor on the learning rate; 1 where it is not named.
    """

    def __init__(self, *args, factors: dict[str, float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.factors = dict(factors or {})

    def build(self, variables):
        super().build(variables)
        self._factor_list = [self.factors.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        # `variable` is the backend's own here, without a path; Keras' optimizers go by its index.
        factor = self._factor_list[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self):
        return {**super().get_config(), "factors": dict(self.factors)}


def adam(model) -> PlayerAdam:
    """The optimizer of a model, built: each player's variables at that player's learning rate.

    Its epsilon is TF1's 1e-8; Keras' own default is ten times that.
    """
    rate = model.config.lr
    factors = {
        variable.path: own_rate / rate
        for player, own_rate in model.learning_rates().items()
        if own_rate != rate
        for variable in model.players()[player]
    }
    optimizer = PlayerAdam(rate, epsilon=1e-8, factors=factors, name="adam")
    optimizer.build(model.trainable_variables)  # before a checkpoint can restore it
    return optimizer
