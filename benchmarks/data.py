"""Input: images from memory and from a file, and lines."""

import math

from acai_tf.config import Config
from benchmarks import timing
from benchmarks.timing import Rows
from benchmarks.train import fitted_steps, random_images


def data(arguments) -> Rows:
    """The input pipeline alone, from memory and from a file; then whether `fit` waits."""
    import collections
    import dataclasses
    import itertools
    import pathlib
    import tempfile

    import keras
    import numpy as np

    from acai_tf.data.pipeline import pipeline

    model = "acai" if arguments.model == "all" else arguments.model
    config = Config(model=model, dataset="mnist")
    in_memory = random_images(arguments.images, (32, 32, 3))
    images = in_memory.train_images
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "images"
        images.tofile(file)
        mapped = np.asarray(np.memmap(file, np.uint8, "r", shape=images.shape))
        in_file = dataclasses.replace(in_memory, train_images=mapped)
        steps = 40 * arguments.steps

        def draw(source):
            batches = iter(pipeline(source, config, 0))
            return lambda: collections.deque(itertools.islice(batches, steps), maxlen=0)

        rivals = {"from memory": draw(in_memory), "from a file": draw(in_file)}
        seconds = timing.interleaved(rivals, arguments.rounds)
        rows = timing.rates(seconds, steps * config.batch, "from memory")

    take = fitted_steps(in_memory, config, arguments.steps)[1]
    batches = pipeline(in_memory, config, 0)
    if keras.backend.backend() == "tensorflow":
        one = batches.take(1).cache().repeat()
    else:
        one = (batch for batch in itertools.repeat(next(batches)))  # Keras knows generators
    rivals = {"fit, one batch again": lambda: take(one), "fit": lambda: take(batches)}
    seconds = timing.interleaved(rivals, arguments.rounds)
    return rows + timing.rates(seconds, arguments.steps * config.batch, "fit, one batch again")


def lines(arguments) -> Rows:
    """Training batches of 64 lines, against drawing them one by one as the original did."""
    import numpy as np

    from acai_tf.data.lines import draw_lines

    count = arguments.steps * 64
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    rivals = {
        "64 at a time": lambda: [draw_lines(part) for part in angles.reshape(-1, 64)],
        "one by one": lambda: [draw_one(angle) for angle in angles],
    }
    seconds = timing.interleaved(rivals, arguments.rounds)
    return timing.rates(seconds, count, "64 at a time")


def draw_one(angle: float):
    """One line [32, 32, 1], row by row and pixel by pixel: the method of the original program."""
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
