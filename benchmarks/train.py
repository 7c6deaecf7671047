"""Training steps: against the straightforward formulation, PyTorch, and what the machine can do;
and `fit` against the bare step."""

import contextlib
import dataclasses
import functools
import importlib.util
import pathlib
import re
import statistics
import sys
from collections.abc import Callable

from acai_tf import cli
from acai_tf.config import Config
from benchmarks import timing, work
from benchmarks.timing import Rows

SIZES = {"lines": (32, 32, 1), "mnist": (32, 32, 1), "svhn": (32, 32, 3)}  # a dataset's images
CLASSES = 10


def train(arguments) -> Rows:
    """Steps of models at the published sizes; rivals take the same batch."""
    from acai_tf.models import MODELS

    if not importlib.util.find_spec("torch"):
        print("PyTorch is not installed: it is left out", file=sys.stderr)
    models = list(MODELS) if arguments.model == "all" else [arguments.model]
    sizes = list(SIZES) if arguments.size == "all" else [arguments.size]
    rows = []
    for size in sizes:
        for model in models:
            rows += _steps(config_of(arguments, model, size), size, arguments)
            print(f"{size}, {model}: measured", file=sys.stderr)
    return rows


def _turn(arguments, size: str) -> int:
    """Steps a turn: fewer of those that have sixteen times the arithmetic."""
    return max(1, arguments.steps // 8) if size == "svhn" else arguments.steps


def config_of(arguments, model: str, size: str) -> Config:
    """A model at a published size."""
    return Config(model=model, dataset=size, dtype_policy=arguments.dtype_policy)


def _steps(config: Config, size: str, arguments) -> Rows:
    shape = SIZES[size]
    steps, kind = _turn(arguments, size), config.dtype_policy.removeprefix("mixed_")
    variants = {"ours": config, "straightforward": dataclasses.replace(config, fused=False)}
    with contextlib.ExitStack() as stack:

        def worker(*words) -> timing.Worker:
            return stack.enter_context(contextlib.closing(timing.Worker(*words)))

        rivals = {name: worker(_ours, own, shape, steps) for name, own in variants.items()}
        if importlib.util.find_spec("torch"):
            rivals["PyTorch"] = worker(_pytorch, config, shape, steps)
        product = worker(_matmul, kind, arguments.matmul)
        seconds = timing.interleaved({**rivals, "matmul": product}, arguments.rounds)
    products, product_flops = seconds.pop("matmul"), product.facts
    flops = {name: one.facts["flops"] for name, one in rivals.items() if "flops" in one.facts}
    rows = []
    for row in timing.rates(seconds, steps * config.batch, "ours"):
        name = row["rival"]
        done = flops.get(name, 0) * steps / statistics.median(seconds[name])
        turns = zip(products, seconds[name], strict=True)
        share = flops.get(name, 0) * steps / product_flops
        reached = share * statistics.median(product / turn for product, turn in turns)
        rows.append(
            {
                "size": size,
                "model": config.model,
                **row,
                "GFLOP / image": flops[name] / config.batch / 1e9 if name in flops else None,
                "GFLOP/s": done / 1e9 or None,
                "% of matmul": 100 * reached or None,
                "peak MB": rivals[name].facts["peak"],
            }
        )
    possible = product_flops / statistics.median(products) / 1e9
    return [*rows, {"size": size, "rival": f"matmul, {kind}", "GFLOP/s": possible}]


def _ours(config: Config, shape, steps: int) -> tuple[Callable[[], None], dict]:
    """A turn of `steps` steps; the floating point operations of one, and the memory they take."""
    _load_backend(config)
    import keras

    before = _resident()
    model, batch = _model(config, shape), _batch(config.batch, shape)
    take = bare_steps(model, batch)
    take(3)
    peak = _peak(before, _device_peak())
    if keras.backend.backend() == "jax":
        import jax

        from acai_tf.backend import state_variables

        state = jax.tree.map(lambda v: v.value, state_variables(model))
        flops = work.flops(model.train_step, state, batch)
    else:
        flops = work.flops(model.train_step, batch)
    return functools.partial(take, steps), {"flops": flops, "peak": peak}


def _matmul(kind: str, size: int) -> tuple[Callable[[], None], float]:
    """A large matrix product, and its floating point operations."""
    _load_backend()
    return work.matmul(kind, size)


def _load_backend(config: Config | None = None) -> None:
    """In a worker's process: what it is was said already."""
    with contextlib.redirect_stdout(None), cli.muted_stderr():
        cli.load_backend(config)


def _model(config: Config, shape):
    from acai_tf.models import build_model
    from acai_tf.models.optimizer import adam
    from acai_tf.training import distribution

    model = build_model(config, shape, CLASSES)
    model.compile(optimizer=adam(model, model.config.lr), jit_compile=distribution.xla(config))
    return model


def _batch(size: int, shape) -> dict:
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (size, *shape), np.uint8)
    labels = rng.integers(0, CLASSES, size)
    return {
        "image": keras.ops.convert_to_tensor(images, "uint8"),
        "label": keras.ops.convert_to_tensor(labels, "int32"),
    }


def bare_steps(model, batch) -> Callable[[int], None]:
    """A function that takes a number of compiled steps on one batch, and waits for the last."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(model.train_step, jit_compile=model.jit_compile)

        def take(count):
            for _ in range(count):
                logs = step(batch)
            return {name: float(value) for name, value in logs.items()}

        return take
    import jax

    from acai_tf.backend import state_variables

    step = jax.jit(model.train_step, donate_argnums=0)
    state = jax.tree.map(lambda v: v.value.copy(), state_variables(model))

    def take(count):
        nonlocal state
        for _ in range(count):
            _, state = step(state, batch)
        jax.block_until_ready(state)

    return take


def _pytorch(config: Config, shape, steps: int) -> tuple[Callable[[], None], dict]:
    """A turn of as many steps in PyTorch, and the memory they take."""
    import torch

    from benchmarks.pytorch import Rival

    before = _resident()
    rival = Rival(config, shape, CLASSES)
    device = next(rival.parameters()).device
    images = torch.randint(0, 256, (config.batch, *shape), dtype=torch.uint8, device=device)
    label = torch.randint(0, CLASSES, (config.batch,), device=device)
    low = contextlib.nullcontext()
    if config.dtype_policy != "float32":
        low = torch.autocast(device.type, torch.bfloat16)

    def take(count):
        with low:
            for _ in range(count):
                rival.step(images, label)
        if device.type == "cuda":
            torch.cuda.synchronize()

    take(3)
    on_gpu = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    return functools.partial(take, steps), {"peak": _peak(before, on_gpu)}


def _peak(before: int, on_device: int | None) -> float | None:
    """MB of memory beyond what the imports take, at the most so far: on the accelerator where
    there is one."""
    if on_device is None and sys.platform != "linux":
        return None
    return (_resident() - before if on_device is None else on_device) / 1e6


def _resident() -> int:
    """Bytes that this process has had in memory at most; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    status = pathlib.Path("/proc/self/status").read_text()  # rusage has that of the parent too
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def _device_peak() -> int | None:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def fit(arguments) -> Rows:
    """`fit` with its input and callbacks, reports aside, against the bare compiled step."""
    from acai_tf.data import load_dataset
    from acai_tf.data.pipeline import pipeline

    rows = []
    for size in ("lines", "svhn") if arguments.size == "all" else (arguments.size,):
        config = config_of(arguments, "acai" if arguments.model == "all" else arguments.model, size)
        dataset = load_dataset(config) if size == "lines" else random_images(4096, SIZES[size])
        steps = _turn(arguments, size)
        model, take = fitted_steps(dataset, config, steps)
        bare = bare_steps(model, next(iter(pipeline(dataset, config, 0))))
        batches = pipeline(dataset, config, 0)
        rivals = {
            "bare step": functools.partial(bare, steps),
            "fit": functools.partial(take, batches),
        }
        seconds = timing.interleaved(rivals, arguments.rounds)
        for row in timing.rates(seconds, steps * config.batch, "bare step"):
            rows.append({"size": size, "model": config.model, **row})
    return rows


def fitted_steps(dataset, config: Config, steps: int) -> tuple:
    """A model, and a function that takes steps of it through `fit`, reports aside."""
    from acai_tf.training import distribution
    from acai_tf.training.watch import StopOnNonFinite

    model = _model(config, dataset.image_shape)
    model.steps_per_execution = distribution.steps_per_execution(config, steps)

    def take(batches):
        callbacks = [StopOnNonFinite()]
        model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=callbacks)

    return model, take


def random_images(count: int, shape: tuple[int, int, int]):
    """A dataset of noise, in memory."""
    import numpy as np

    from acai_tf.data.dataset import ArrayDataset

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    labels = rng.integers(0, CLASSES, count)
    names = tuple(map(str, range(CLASSES)))
    return ArrayDataset("random", shape, names, images[:64], labels[:64], images, labels)
