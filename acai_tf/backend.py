"""All that depends on the Keras backend: gradients, how Keras calls a step, compilation."""

import functools
import itertools

import keras
import numpy as np

from acai_tf.lazy import jax, tf

BACKENDS = ("tensorflow", "jax")  # that can train


def player_gradients(model, x, label, noise) -> tuple[dict, dict, dict]:
    """Losses, logs and gradients of all players at the present weights, from one forward pass.

    What the objectives assign (VQ-VAE's codebook) is assigned when this returns.

    Args:
        model: an `Autoencoder`.
        x: images [B, H, W, C], float32 in [-1, 1].
        label: whole numbers [B]; None where there is no probe.
        noise: the step's random numbers.

    Returns:
        ({player: loss}, {name: scalar}, {player: [gradient of its loss by each of its variables]}).

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
    # Gradients are summed over replicas, so each takes its share of the mean over the batch.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    values = {name: [v.value for v in variables] for name, variables in model.players().items()}
    passes = model.backward_passes()
    gradients = {}
    with tf.GradientTape(persistent=len(passes) > 1) as tape:
        losses, logs = model.objectives(x, label, noise)
        shares = [sum(losses[name] for name in players) / replicas for players in passes]
    for players, share in zip(passes, shares, strict=True):
        gradients |= tape.gradient(share, {name: values[name] for name in players})
    # Nobody moves before all have looked: without this a compiled step may read some weights for
    # one player's loss after another player's update of them.
    seen = (losses, logs, gradients)
    return tf.nest.pack_sequence_as(seen, tf.tuple(tf.nest.flatten(seen)))


def _jax_gradients(model, x, label, noise):
    others = model.non_trainable_variables
    present = {id(v): v.value for v in [*model.trainable_variables, *others]}

    def objective(values, players):
        """The sum of some players' losses at other `values` of their variables, and all else."""
        at = present | {id(v): values[name][n] for name in players for n, v in enumerate(own[name])}
        mapping = [(v, at[id(v)]) for v in [*model.trainable_variables, *others]]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            losses, logs = model.objectives(x, label, noise)
        assigned = [scope.get_current_value(v) for v in others]
        return sum(losses[name] for name in players), (losses, logs, assigned)

    # One forward pass a backward one as written; compiled, they are the same operations on the
    # same numbers, and XLA keeps one. (A single jax.vjp with a cotangent a player costs 8% more for
    # ACAI: it differentiates each loss by the other players' variables too.)
    own = model.players()
    gradients = {}
    for players in model.backward_passes():
        values = {name: [present[id(v)] for v in own[name]] for name in players}
        found, (losses, logs, assigned) = jax.grad(objective, has_aux=True)(values, tuple(players))
        gradients |= found
    for variable, value in zip(others, assigned, strict=True):
        variable.assign(value)
    return losses, logs, {name: gradients[name] for name in own}  # JAX sorts them


def accelerated() -> bool:
    """Whether the backend computes on an accelerator."""
    if keras.backend.backend() == "jax":
        return jax.default_backend() != "cpu"
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def rows(batch: int, replicas: int, replica: int) -> np.ndarray:
    """Which images of a batch a replica takes.

    ACAI mixes image i with image batch - 1 - i. A replica takes a piece of the first half and the
    piece of the second half that holds its partners, in an order in which they are each other's
    partners again: whatever the number of replicas, the same pairs are mixed.
    """
    half = batch // (2 * replicas)
    first = np.arange(replica * half, (replica + 1) * half)
    return np.concatenate([first, batch - 1 - first[::-1]])


def replicas() -> int:
    """How many replicas share a batch; 1 where the backend does that by itself."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def share(noise: dict[str, dict]) -> dict[str, dict]:
    """Of the random numbers of a whole batch, {part: {name: [B, ...]}}, this replica's rows."""
    count = replicas()
    if count == 1:
        return noise
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group

    def own(values):
        if values.shape[0] is None or values.shape[0] % (2 * count):  # not batches of ours
            each = tf.shape(values)[0] // count
            return values[replica * each : (replica + 1) * each]
        table = [rows(values.shape[0], count, one) for one in range(count)]
        return tf.gather(values, tf.gather(np.stack(table), replica))

    return tf.nest.map_structure(own, noise)


def mean_over_replicas(scalars: dict) -> dict:
    """Name -> scalar, each the mean over all replicas."""
    if replicas() == 1:
        return scalars
    context = tf.distribute.get_replica_context()
    mine = tf.stop_gradient(tf.stack(list(scalars.values())))
    means = context.all_reduce(tf.distribute.ReduceOp.MEAN, mine)  # in one message
    return dict(zip(scalars, tf.unstack(means), strict=True))


def of_all_replicas(values):
    """What all replicas have, one after the other, of tensors [n, ...] of equal shapes."""
    if replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_gather(values, axis=0)


def train_function(model):
    """What `fit` calls on TensorFlow: takes batches from an iterator and steps on each of them.

    It takes `model.steps_per_execution` of them without a word from Python, and returns the last
    step's logs, which are the same on all replicas. Keras' own does not work on several workers:
    it looks for an axis in scalars.
    """

    @functools.partial(
        tf.function, autograph=False, reduce_retracing=True, jit_compile=model.jit_compile
    )
    def step(batch):
        strategy = model.distribute_strategy
        logs = strategy.run(model.train_step, args=(batch,))
        return {name: strategy.experimental_local_results(v)[0] for name, v in logs.items()}

    more = model.steps_per_execution - 1

    # Without autograph, which would wrap what the model raises.
    @tf.function(autograph=False, reduce_retracing=True)
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
        return step(next(iterator))  # train_on_batch has a generator of one

    return function


def jax_train_function(model):
    """What `fit` calls on JAX for several steps at once: one program takes them all.

    Keras' own makes a program of one step and asks Python for each: on a fast device Python would
    set the pace.
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
        for batch in batches:  # the end of some data: fewer of them, or a smaller one
            logs, state = steps(state, stacked(batch))
        return logs, state

    return function


def settle(model) -> None:
    """Have a model's variables hold their values also within a period, when JAX has them out."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def state_variables(model) -> tuple[list, list, list, list]:
    """All variables of a compiled model, in the groups in which Keras' JAX trainer keeps them."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def stateless(model, function, groups, state, *arguments):
    """A method of a model as a function of its state, which is how Keras calls steps on JAX.

    Args:
        model: a compiled `Autoencoder`.
        function: its method.
        groups: the variables that `state` holds the values of, in groups.
        state: their values.
        arguments: of the method.

    Returns:
        (what the method returns, the state after it).
    """
    mapping = [
        pair
        for variables, values in zip(groups, state, strict=True)
        for pair in zip(variables, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = function(*arguments)
    return logs, tuple([scope.get_current_value(v) for v in variables] for variables in groups)


def xla_pays() -> bool:
    """Whether steps are compiled with XLA by default: on one accelerator, and always on JAX."""
    return keras.backend.backend() == "jax" or (replicas() == 1 and accelerated())


def compiled(model, verb: str, **options):
    """A verb of a model as one compiled function, at whatever weights the model then has.

    Args:
        model: an `Autoencoder`.
        verb: the method's name.
        options: its arguments that are no tensors.

    Returns:
        A function of tensors or arrays that returns a numpy array.
    """

    # A partial, not a function of ours: TensorFlow knows functions by their code, would take all
    # verbs for one, and warn that it is traced too often.
    call = functools.partial(getattr(model, verb), **options)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        function = tf.function(call, reduce_retracing=True)  # the last part is smaller
        return lambda *tensors: function(*tensors).numpy()
    if backend == "jax":
        variables = model.variables

        @jax.jit
        def stateless(values, *tensors):
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return call(*tensors)

        return lambda *tensors: np.asarray(stateless([v.value for v in variables], *tensors))
    return lambda *tensors: keras.ops.convert_to_numpy(call(*tensors))


def transposed_convolution_pays() -> bool:
    """Whether it is less work here than the upsampling: XLA on a CPU fills it up with zeros."""
    if keras.backend.backend() != "jax":
        return True
    return jax.default_backend() != "cpu"


def leaky_relu(x, slope: float):
    """Leaky ReLU whose gradient is taken from the sign of its output, which is that of x.

    With x itself not wanted any more, TensorFlow makes one operation of convolution, bias and this.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.ops.leaky_relu(x, slope)

    @tf.custom_gradient
    def function(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

    return function(x)
