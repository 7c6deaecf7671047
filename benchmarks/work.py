"""How much arithmetic a compiled function does, and how much the machine could do."""

import math
from collections.abc import Callable


def flops(function: Callable, *arguments) -> float:
    """Floating point operations of one call: of convolutions and matrix products, both as 2 a
    multiplication; on JAX, as XLA counts them, of everything.

    Args:
        function: what the backend compiles.
        arguments: of the call.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]
    import tensorflow as tf

    graph = tf.function(function).get_concrete_function(*arguments).graph
    return sum(map(_operations, _needed(graph)))


def _needed(graph) -> set:
    """The operations of a graph that are run: what its results and its side effects hang on."""
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    found = set()
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return found


def _operations(operation) -> int:
    """Of one operation of TensorFlow's."""
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
    import keras
    import numpy as np

    values = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    operations = 2.0 * size**3
    if keras.backend.backend() == "jax":
        import jax

        matrix = jax.numpy.asarray(values, dtype)
        product = jax.jit(jax.numpy.matmul)
        return lambda: product(matrix, matrix).block_until_ready(), operations
    import tensorflow as tf

    matrix = tf.cast(values, dtype)
    product = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    return lambda: product().numpy(), operations
