"""Every player's gradient from one forward pass: the only lines that depend on the backend."""

import keras


def player_gradients(model, x, label, draws) -> tuple[dict, dict, dict]:
    """Losses, logs and gradients of all players at the present weights.

    Args:
        model: an `Autoencoder`.
        x: images [B, H, W, C], float32 in [-1, 1].
        label: whole numbers [B].
        draws: the step's random numbers.

    Returns:
        ({player: loss}, {name: scalar}, {player: [gradient of its loss by each of its variables]}).

    Raises:
        NotImplementedError: the Keras backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"training runs on the TensorFlow backend, not on {keras.backend.backend()}"
        )
    import tensorflow as tf

    # Gradients are summed over replicas, so each takes its share of the mean over the batch.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape(persistent=True) as tape:
        losses, logs = model.objectives(x, label, draws)
        shares = {player: loss / replicas for player, loss in losses.items()}
    gradients = {
        player: tape.gradient(shares[player], [variable.value for variable in variables])
        for player, variables in model.players().items()
    }
    return losses, logs, gradients
