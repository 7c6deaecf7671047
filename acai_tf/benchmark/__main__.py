"""python -m acai_tf.benchmark fit|data|lines

Rivals take turns in one process, and what counts is the median of the ratios of
their turns, so that a machine busy with other things does not decide.
"""

import statistics
import time
from collections.abc import Callable

from acai_tf import command
from acai_tf.config import Config


def interleaved(rivals: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each rival's turns; each is run once beforehand, unmeasured."""
    seconds = {name: [] for name in rivals}
    for turn in range(-1, rounds):
        for name, run in rivals.items():
            began = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def report(seconds: dict[str, list[float]], images: int, against: str) -> None:
    """One line per rival: images per second, and the median ratio of times to `against`."""
    for name, times in seconds.items():
        ratios = [mine / theirs for mine, theirs in zip(times, seconds[against], strict=True)]
        rate = images / statistics.median(times)
        print(f"{name:<24} {rate:10.0f} img/s   time x {statistics.median(ratios):.3f}")


def data(arguments) -> None:
    """The input pipeline alone, from memory and from a file; then whether `fit` waits."""
    import collections
    import itertools
    import pathlib
    import tempfile

    import keras
    import numpy as np

    from acai_tf.data.dataset import ArrayDataset
    from acai_tf.data.pipeline import pipeline
    from acai_tf.data.rows import Rows

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (arguments.images, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, len(images))
    names = tuple("0123456789")

    def of(train_images):
        shape = train_images.shape[1:]
        return ArrayDataset("random", shape, names, images[:64], labels[:64], train_images, labels)

    config = Config(model=arguments.model, depth=arguments.depth, latent=2)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "images"
        images.tofile(file)
        sources = {"from memory": of(images), "from a file": of(Rows(file, images.shape))}
        steps = 40 * arguments.steps

        def draw(source):
            batches = iter(pipeline(source, config, 0))
            return lambda: collections.deque(itertools.islice(batches, steps), maxlen=0)

        rivals = {name: draw(source) for name, source in sources.items()}
        report(interleaved(rivals, arguments.rounds), steps * config.batch, "from memory")

    take = fitted_steps(sources["from memory"], config, arguments.steps)[1]
    batches = pipeline(sources["from memory"], config, 0)
    if keras.backend.backend() == "tensorflow":
        one = batches.take(1).cache().repeat()
    else:
        one = (batch for batch in itertools.repeat(next(batches)))  # Keras knows generators
    rivals = {"one batch again": lambda: take(one), "fit": lambda: take(batches)}
    print(f"fit, {config.model} of depth {config.depth}:")
    report(interleaved(rivals, arguments.rounds), arguments.steps * config.batch, "one batch again")


def fit(arguments) -> None:
    """`fit` with its input and callbacks, reports aside, against the bare compiled step."""
    from acai_tf.data import load_dataset
    from acai_tf.data.pipeline import pipeline

    config = Config(model=arguments.model, depth=arguments.depth, latent=2)
    dataset = load_dataset(config)
    model, take = fitted_steps(dataset, config, arguments.steps)
    bare = bare_steps(model, next(iter(pipeline(dataset, config, 0))))
    batches = pipeline(dataset, config, 0)
    rivals = {"bare step": lambda: bare(arguments.steps), "fit": lambda: take(batches)}
    report(interleaved(rivals, arguments.rounds), arguments.steps * config.batch, "bare step")


def fitted_steps(dataset, config: Config, steps: int) -> tuple:
    """A model, and a function that takes steps of it through `fit`, reports aside."""
    from acai_tf.callbacks import Progress
    from acai_tf.models import build_model
    from acai_tf.optimizer import adam
    from acai_tf.watch import StopOnNonFinite

    model = build_model(config, dataset.image_shape, dataset.classes)
    model.compile(optimizer=adam(model))

    def take(batches):
        callbacks = [StopOnNonFinite(0), Progress(config, 0)]
        model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=callbacks)

    return model, take


def bare_steps(model, batch) -> Callable[[int], None]:
    """A function that takes a number of compiled steps on one batch, and waits for the last."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(model.train_step)

        def take(count):
            for _ in range(count):
                logs = step(batch)
            return {name: float(value) for name, value in logs.items()}

        return take
    import jax

    from acai_tf.backend import state_variables

    step = jax.jit(model.train_step, donate_argnums=0)

    def take(count):
        state = jax.tree.map(lambda v: v.value.copy(), state_variables(model))
        for _ in range(count):
            _, state = step(state, batch)
        jax.block_until_ready(state)

    return take


def lines(arguments) -> None:
    """Training batches of 64 lines, against drawing them one by one as the original did."""
    import numpy as np

    from acai_tf.data.lines import draw_lines

    count = arguments.steps * 64
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    assert np.allclose(draw_lines(angles[:64]), [draw_one(a) for a in angles[:64]])
    rivals = {
        "64 at a time": lambda: [draw_lines(part) for part in angles.reshape(-1, 64)],
        "one by one": lambda: [draw_one(angle) for angle in angles],
    }
    report(interleaved(rivals, arguments.rounds), count, "64 at a time")


def draw_one(angle: float):
    """One line [32, 32, 1], row by row and pixel by pixel: the method of the original program."""
    import math

    import numpy as np

    from acai_tf.data.lines import LENGTH, SIZE, THICKNESS

    x, y = LENGTH * math.cos(-angle), LENGTH * math.sin(-angle)
    steep = abs(y) >= abs(x)
    run, drift = (y, x) if steep else (x, y)
    start, first = SIZE / 2 + min(run, 0), SIZE / 2 - THICKNESS / 2 + (drift if run < 0 else 0)
    image = np.zeros((SIZE, SIZE, 1))
    for row in range(math.floor(start), math.ceil(SIZE / 2 + max(run, 0))):
        weight = math.ceil(start) - start if row < start else 1
        left = first + (row - start - 0.5) * drift / run
        for pixel in range(math.floor(left), math.ceil(left + THICKNESS)):
            cover = min(pixel + 1, left + THICKNESS) - max(pixel, left)
            image[(row, pixel) if steep else (pixel, row)] += 2 * weight * cover
    return np.clip(image - 1, -1, 1)


def main() -> None:
    benchmarks = {"fit": fit, "data": data, "lines": lines}
    parser = command.Parser("acai_tf.benchmark", __doc__)
    parser.add_argument("name", choices=benchmarks)
    parser.add_argument("--model", default="acai")
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--steps", type=int, default=50, help="steps a turn")
    parser.add_argument("--images", type=int, default=200_000, help="data: how many are in memory")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    arguments = parser.parse_args()
    command.load_backend()
    benchmarks[arguments.name](arguments)


if __name__ == "__main__":
    raise SystemExit(command.run(main))
