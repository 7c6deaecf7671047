"""Models, inputs and arithmetic for the benchmarks."""

import math
from collections.abc import Callable

import keras
import numpy as np

from acai_tf.backend import state_variables
from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset
from acai_tf.lazy import jax, tf
from acai_tf.models import build_model
from acai_tf.models.optimizer import adam
from acai_tf.training import distribution
from acai_tf.training.watch import StopOnNonFinite

SIZES = {"lines": (32, 32, 1), "mnist": (32, 32, 1), "svhn": (32, 32, 3)}  # image shapes
CLASSES = 10


def config_of(arguments, size: str, model: str | None = None) -> Config:
    """A model's settings at a published size; without a name that of --model."""
    model = model or ("acai" if arguments.model == "all" else arguments.model)
    return Config(model=model, dataset=size, dtype_policy=arguments.dtype_policy)


def sizes(arguments, *default: str) -> tuple[str, ...]:
    """The sizes that --size asks for."""
    return default if arguments.size == "all" else (arguments.size,)


def turn(arguments, size: str) -> int:
    """Steps per turn: an eighth for SVHN, which has sixteen times the arithmetic."""
    return max(1, arguments.steps // 8) if size == "svhn" else arguments.steps


def compiled(config: Config, shape: tuple[int, int, int]):
    """A model, ready to be trained."""
    model = build_model(config, shape, CLASSES)
    model.compile(optimizer=adam(model, model.config.lr), jit_compile=distribution.xla(config))
    return model


def random_images(count: int, shape: tuple[int, int, int]) -> ArrayDataset:
    """A dataset of noise, in memory."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    labels = rng.integers(0, CLASSES, count)
    names = tuple(map(str, range(CLASSES)))
    return ArrayDataset("random", shape, names, images[:64], labels[:64], images, labels)


def batch_of(size: int, shape: tuple[int, int, int]) -> dict:
    """A training batch of noise."""
    data = random_images(size, shape)
    return {
        "image": keras.ops.convert_to_tensor(data.train_images, "uint8"),
        "label": keras.ops.convert_to_tensor(data.train_labels, "int32"),
    }


def bare_steps(model, batch) -> Callable[[int], None]:
    """A function that takes a number of compiled steps on one batch, and waits for the last."""
    if keras.backend.backend() == "tensorflow":
        step = tf.function(model.train_step, jit_compile=model.jit_compile)

        def take(count):
            for _ in range(count):
                logs = step(batch)
            return {name: float(value) for name, value in logs.items()}

        return take
    step = jax.jit(model.train_step, donate_argnums=0)
    state = jax.tree.map(lambda v: v.value.copy(), state_variables(model))

    def take(count):
        nonlocal state
        for _ in range(count):
            _, state = step(state, batch)
        jax.block_until_ready(state)

    return take


def fitted_steps(dataset, config: Config, steps: int) -> tuple:
    """A model, and a function that takes steps of it through `fit` on batches, without reports."""
    model = compiled(config, dataset.image_shape)
    model.steps_per_execution = distribution.steps_per_execution(config, steps)

    def take(batches):
        callbacks = [StopOnNonFinite()]
        model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=callbacks)

    return model, take


def flops(function: Callable, *arguments) -> float:
    """Floating point operations of one call: of convolutions and matrix products, counting 2 per
    multiplication; on JAX of everything, as XLA counts.

    Args:
        function: that the backend can compile.
        arguments: of the call.
    """
    if keras.backend.backend() == "jax":
        return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return sum(map(_operations, _needed(graph)))


def _needed(graph) -> set:
    """The operations of a graph that its outputs and side effects depend on."""
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    found = set()
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return found


def _operations(operation) -> int:
    """Floating point operations of one TensorFlow operation."""
    shapes = [tensor.shape for tensor in operation.inputs]
    result = operation.outputs[0].shape if operation.outputs else None
    match operation.type:
        case "Conv2D":  # each output sums over the kernel and the channels in
            return 2 * math.prod(result) * math.prod(shapes[1][:3])
        case "Conv2DBackpropInput":  # inputs: shape, kernel, gradient of the output
            return 2 * math.prod(shapes[2]) * math.prod(shapes[1][:3])
        case "Conv2DBackpropFilter":  # inputs: input, shape, gradient of the output
            return 2 * math.prod(shapes[2]) * math.prod(result[:3])
        case "MatMul":
            inner = shapes[0][0 if operation.get_attr("transpose_a") else 1]
            return 2 * math.prod(result) * inner
        case "BatchMatMulV2":
            inner = shapes[0][-2 if operation.get_attr("adj_x") else -1]
            return 2 * math.prod(result) * inner
    return 0


def matmul(dtype: str = "float32", size: int = 2048) -> tuple[Callable[[], None], float]:
    """A large matrix product on the backend's device, and its floating point operations."""
    values = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    operations = 2.0 * size**3
    if keras.backend.backend() == "jax":
        matrix = jax.numpy.asarray(values, dtype)
        product = jax.jit(jax.numpy.matmul)
        return lambda: product(matrix, matrix).block_until_ready(), operations
    matrix = tf.cast(values, dtype)
    product = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    return lambda: product().numpy(), operations
