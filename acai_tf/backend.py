"""What depends on the Keras backend: gradients, replicas, training functions, compilation."""

import functools
import itertools
from collections.abc import Callable

import keras
import numpy as np

from acai_tf.lazy import jax, tf

BACKENDS = ("tensorflow", "jax")  # that can train


def player_gradients(model, x, label, noise: dict) -> tuple[dict, dict, dict]:
    """Losses, logs and gradients of all players at the current weights, from one forward pass.

    Variables that the forward pass assigns (VQ-VAE's codebook) are assigned on return.

    Args:
        model: an `Autoencoder`.
        x: prepared images [B, H, W, C], float32 in [-1, 1].
        label: class indices [B]; None if there is no probe.
        noise: the step's random numbers, as `Autoencoder.noise` returns them.

    Returns:
        ({player: loss}, {name: scalar}, {player: [the gradient of its loss for each of its
        variables]}).

    Raises:
        NotImplementedError: the Keras backend is not one of BACKENDS.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow_gradients(model, x, label, noise)
    if backend == "jax":
        return _jax_gradients(model, x, label, noise)
    raise NotImplementedError(f"training runs on {' or '.join(BACKENDS)}, not on {backend}")


def _tensorflow_gradients(model, x, label, noise):
    # Gradients are summed over replicas: each replica contributes its share of the batch mean.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    values = {name: [v.value for v in variables] for name, variables in model.players().items()}
    passes = model.backward_passes()
    gradients = {}
    with tf.GradientTape(persistent=len(passes) > 1) as tape:
        losses, logs = model.objectives(x, label, noise)
        shares = [sum(losses[name] for name in players) / replicas for players in passes]
    for players, share in zip(passes, shares, strict=True):
        gradients |= tape.gradient(share, {name: values[name] for name in players})
    # A barrier: a compiled step must not read weights for one player's loss after another player
    # has updated them.
    results = (losses, logs, gradients)
    return tf.nest.pack_sequence_as(results, tf.tuple(tf.nest.flatten(results)))


def _jax_gradients(model, x, label, noise):
    players, others = model.players(), model.non_trainable_variables
    current = [(v, v.value) for v in [*model.trainable_variables, *others]]

    def objective(values, names):
        """The sum of some players' losses at other `values` of their variables."""
        changed = [pair for n in names for pair in zip(players[n], values[n], strict=True)]
        with keras.StatelessScope(state_mapping=[*current, *changed]) as scope:
            losses, logs = model.objectives(x, label, noise)
        assigned = [scope.get_current_value(v) for v in others]
        return sum(losses[name] for name in names), (losses, logs, assigned)

    # Written as one forward pass per backward pass; compiled, XLA merges the identical forward
    # passes. A single jax.vjp with one cotangent per player is 8% slower for ACAI, as it
    # differentiates each loss by the other players' variables too.
    gradients = {}
    for names in model.backward_passes():
        values = {name: [v.value for v in players[name]] for name in names}
        found, (losses, logs, assigned) = jax.grad(objective, has_aux=True)(values, tuple(names))
        gradients |= found
    for variable, value in zip(others, assigned, strict=True):
        variable.assign(value)
    return losses, logs, {name: gradients[name] for name in players}  # JAX sorts them


# Replicas of tf.distribute. JAX shares a batch between devices by itself.


def replicas() -> int:
    """How many replicas share a batch; 1 if the backend distributes by itself."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def rows(batch: int, replicas: int, replica: int) -> np.ndarray:
    """Indices of the images of a batch that a replica takes, [batch / replicas].

    ACAI mixes image i with image batch - 1 - i. A replica takes a slice of the first half and
    the partners of that slice, in an order that makes them partners within the replica too. So
    the same pairs are mixed for any number of replicas.
    """
    half = batch // (2 * replicas)
    first = np.arange(replica * half, (replica + 1) * half)
    return np.concatenate([first, batch - 1 - first[::-1]])


def share(noise: dict[str, dict]) -> dict[str, dict]:
    """This replica's rows of a whole batch's random numbers, {part: {name: [B, ...]}}."""
    count = replicas()
    if count == 1:
        return noise
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group

    def own(values):
        if values.shape[0] is None or values.shape[0] % (2 * count):  # not our own batches
            each = tf.shape(values)[0] // count
            return values[replica * each : (replica + 1) * each]
        table = [rows(values.shape[0], count, one) for one in range(count)]
        return tf.gather(values, tf.gather(np.stack(table), replica))

    return tf.nest.map_structure(own, noise)


def mean_over_replicas(scalars: dict) -> dict:
    """{name: the mean of a scalar over all replicas}."""
    if replicas() == 1:
        return scalars
    context = tf.distribute.get_replica_context()
    values = tf.stop_gradient(tf.stack(list(scalars.values())))  # one message for all of them
    means = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
    return dict(zip(scalars, tf.unstack(means), strict=True))


def gather_replicas(values):
    """Tensors [n, ...] of all replicas, concatenated; n must be the same on each."""
    if replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_gather(values, axis=0)


def train_function(model) -> Callable:
    """The function that `fit` calls on TensorFlow to take `model.steps_per_execution` steps.

    It returns the last step's logs, which are the same on all replicas. Keras' own function fails
    on several workers: it looks for an axis in scalars.
    """

    @functools.partial(
        tf.function, autograph=False, reduce_retracing=True, jit_compile=model.jit_compile
    )
    def step(batch):
        strategy = model.distribute_strategy
        logs = strategy.run(model.train_step, args=(batch,))
        return {name: strategy.experimental_local_results(v)[0] for name, v in logs.items()}

    more = model.steps_per_execution - 1

    @tf.function(autograph=False, reduce_retracing=True)  # autograph would wrap our exceptions
    def steps(iterator):
        logs = step(next(iterator))
        if more:
            _, logs = tf.while_loop(
                lambda taken, _: taken < more,
                lambda taken, _: (taken + 1, step(next(iterator))),
                (0, logs),
            )
        return logs

    def function(iterator):
        if isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator)):
            return steps(iterator)
        return step(next(iterator))  # train_on_batch passes a generator of one batch

    return function


def jax_train_function(model) -> Callable:
    """The function that `fit` calls on JAX to take several steps in one compiled program.

    Keras' own function compiles a single step and calls it from Python, which is too slow for a
    fast device.
    """

    @functools.partial(jax.jit, donate_argnums=0)
    def steps(state, batches):
        def step(state, batch):
            logs, state = model.train_step(state, batch)
            return state, logs

        state, logs = jax.lax.scan(step, state, batches)
        return {name: values[-1] for name, values in logs.items()}, state

    def stacked(*batches):
        return jax.tree.map(lambda *arrays: jax.numpy.stack(arrays), *batches)

    def function(state, iterator):
        batches = list(itertools.islice(iterator, model.steps_per_execution))
        if not batches:
            raise StopIteration
        sizes = {tuple(array.shape for array in jax.tree.leaves(batch)) for batch in batches}
        if len(batches) == model.steps_per_execution and len(sizes) == 1:
            return steps(state, stacked(*batches))
        for batch in batches:  # the end of the data: too few batches, or a smaller one
            logs, state = steps(state, stacked(batch))
        return logs, state

    return function


def state_variables(model) -> tuple[list, list, list, list]:
    """All variables of a compiled model, grouped as in the state of Keras' JAX trainer."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def call_step(step: Callable, groups, arguments: tuple):
    """Call `step`, a function of a batch, with the arguments that Keras passes on this backend.

    On TensorFlow these are (batch,). On JAX they are (state, batch), with the values of `groups`
    of variables as the state, and the result is (what `step` returns, the new state).
    """
    if keras.backend.backend() != "jax":
        return step(*arguments)
    state, batch = arguments
    pairs = zip(itertools.chain(*groups), itertools.chain(*state), strict=True)
    with keras.StatelessScope(state_mapping=pairs) as scope:
        logs = step(batch)
    return logs, tuple([scope.get_current_value(v) for v in variables] for variables in groups)


def settle(model) -> None:
    """Write the values that JAX holds during an epoch back to the model's variables."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def compiled(model, function: Callable) -> Callable:
    """A function of tensors as a compiled function of arrays that returns a NumPy array.

    It always uses the current weights of `model`, which `function` may read.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        # reduce_retracing: the last part is smaller; autograph would wrap our exceptions.
        function = tf.function(function, autograph=False, reduce_retracing=True)
        return lambda *tensors: function(*tensors).numpy()
    if backend == "jax":
        variables = model.variables

        @jax.jit
        def stateless(values, *tensors):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*tensors)

        return lambda *tensors: np.asarray(stateless([v.value for v in variables], *tensors))
    return lambda *tensors: keras.ops.convert_to_numpy(function(*tensors))


def gradient(loss: Callable, x, *others):
    """d loss(x, *others) / dx of a scalar loss; x is a tensor of floats, [...] -> [...]."""
    if keras.backend.backend() == "jax":
        return jax.grad(loss)(x, *others)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x, *others)
    return tape.gradient(value, x)


def accelerated() -> bool:
    """Whether the backend runs on an accelerator."""
    if keras.backend.backend() == "jax":
        return jax.default_backend() != "cpu"
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def use_xla() -> bool:
    """Whether steps are compiled with XLA by default: on a single accelerator, always on JAX."""
    return keras.backend.backend() == "jax" or (replicas() == 1 and accelerated())


def fuse_upsampling() -> bool:
    """Whether a transposed convolution beats upsampling; XLA on CPU pads it with zeros."""
    return keras.backend.backend() != "jax" or jax.default_backend() != "cpu"


def argmin(x, axis: int):
    """keras.ops.argmin; on TensorFlow without its care for negative zeros, which is not in ONNX."""
    if keras.backend.backend() == "tensorflow":
        return tf.argmin(x, axis, output_type="int32")
    return keras.ops.argmin(x, axis)


def leaky_relu(x, slope: float):
    """Leaky ReLU that computes its gradient from the sign of its output, which is that of x.

    As the gradient does not need x, TensorFlow fuses it with the convolution and bias before it.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.ops.leaky_relu(x, slope)

    @tf.custom_gradient
    def function(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

    return function(x)
