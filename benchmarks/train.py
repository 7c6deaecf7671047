"""Training steps of the models at the published sizes: ours, without fusing (straightforward), and
PyTorch's; the share they reach of a large matrix product's rate; memory."""

import contextlib
import dataclasses
import functools
import importlib.util
import pathlib
import re
import statistics
import sys
from collections.abc import Callable

import timing

from acai_tf import cli
from acai_tf.config import Config

# Each candidate has a process of its own, which imports this file: it loads TensorFlow or PyTorch
# in functions only, since both do not fit into one process (PyTorch's Triton).


def train(arguments) -> timing.Rows:
    """Steps of models at the published sizes; candidates take the same batch."""
    import work

    if not importlib.util.find_spec("torch"):
        print("PyTorch is not installed: it is left out", file=sys.stderr)
    rows = []
    for size in work.sizes(arguments, *work.SIZES):
        for model in timing.MODELS if arguments.model == "all" else [arguments.model]:
            rows += _measure(work.config_of(arguments, size, model), size, arguments)
            print(f"{size}, {model}: measured", file=sys.stderr)
    return rows


def _measure(config: Config, size: str, arguments) -> timing.Rows:
    import work

    shape, steps = work.SIZES[size], work.turn(arguments, size)
    kind = config.dtype_policy.removeprefix("mixed_")
    with contextlib.ExitStack() as stack:

        def worker(*words) -> timing.Worker:
            return stack.enter_context(contextlib.closing(timing.Worker(*words)))

        workers = {"ours": worker(_ours, config, shape, steps)}
        straightforward = dataclasses.replace(config, fused=False)
        workers["straightforward"] = worker(_ours, straightforward, shape, steps)
        if importlib.util.find_spec("torch"):
            workers["PyTorch"] = worker(_pytorch, config, shape, steps)
        product = worker(_matmul, kind, arguments.matmul)
        seconds = timing.interleaved({**workers, "matmul": product}, arguments.rounds)
    products, product_flops = seconds.pop("matmul"), product.facts
    rows = []
    for row in timing.rates(seconds, steps * config.batch):
        turns, facts = seconds[row["candidate"]], workers[row["candidate"]].facts
        row = {"size": size, "model": config.model, **row}
        if flops := facts.get("flops"):
            share = flops * steps / product_flops * timing.ratio(products, turns)
            row["GFLOP / image"] = flops / config.batch / 1e9
            row["GFLOP/s"] = flops * steps / statistics.median(turns) / 1e9
            row["% of matmul"] = 100 * share
        rows.append({**row, "peak MB": facts["peak"]})
    possible = product_flops / statistics.median(products) / 1e9
    return [*rows, {"size": size, "candidate": f"matmul, {kind}", "GFLOP/s": possible}]


def _ours(config: Config, shape, steps: int) -> tuple[Callable[[], None], dict]:
    """A turn of `steps` steps; the floating point operations of one, and their memory."""
    _load_backend(config)
    import keras
    import work

    from acai_tf.backend import state_variables
    from acai_tf.lazy import jax

    before = _resident()
    model, batch = work.compiled(config, shape), work.batch_of(config.batch, shape)
    take = work.bare_steps(model, batch)
    take(3)
    peak = _peak(before, _device_peak())
    inputs = (batch,)
    if keras.backend.backend() == "jax":
        inputs = jax.tree.map(lambda v: v.value, state_variables(model)), batch
    return functools.partial(take, steps), {
        "flops": work.flops(model.train_step, *inputs),
        "peak": peak,
    }


def _matmul(kind: str, size: int) -> tuple[Callable[[], None], float]:
    """A large matrix product, and its floating point operations."""
    _load_backend()
    import work

    return work.matmul(kind, size)


def _pytorch(config: Config, shape, steps: int) -> tuple[Callable[[], None], dict]:
    """A turn of as many steps in PyTorch, and their memory."""
    import torch
    from pytorch import Reference

    before = _resident()
    reference = Reference(config, shape, classes=10)
    device = next(reference.parameters()).device
    images = torch.randint(0, 256, (config.batch, *shape), dtype=torch.uint8, device=device)
    label = torch.randint(0, 10, (config.batch,), device=device)
    low = contextlib.nullcontext()
    if config.dtype_policy != "float32":
        low = torch.autocast(device.type, torch.bfloat16)

    def take(count):
        with low:
            for _ in range(count):
                reference.step(images, label)
        if device.type == "cuda":
            torch.cuda.synchronize()

    take(3)
    on_gpu = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    return functools.partial(take, steps), {"peak": _peak(before, on_gpu)}


def _load_backend(config: Config | None = None) -> None:
    """In a worker's process, silently: the parent has described the device."""
    with contextlib.redirect_stdout(None), cli.muted_stderr():
        cli.load_backend(config)


def _peak(before: int, on_device: int | None) -> float | None:
    """MB of memory at most, beyond that of the imports: on the accelerator if there is one."""
    if on_device is None and sys.platform != "linux":
        return None
    return (_resident() - before if on_device is None else on_device) / 1e6


def _resident() -> int:
    """The largest memory of this process so far, in bytes; 0 if unknown."""
    if sys.platform != "linux":
        return 0
    status = pathlib.Path("/proc/self/status").read_text()  # rusage counts the parent's, too
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def _device_peak() -> int | None:
    import keras

    from acai_tf.lazy import jax, tf

    if keras.backend.backend() == "jax":
        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


if __name__ == "__main__":
    sys.exit(
        timing.main(
            train,
            steps=(24, "steps per turn; svhn: an eighth"),
            matmul=(2048, "rows of the large matrix"),
        )
    )
