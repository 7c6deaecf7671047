"""Input: images from memory and from a file, whether `fit` waits for them, and drawing lines."""

import collections
import dataclasses
import functools
import itertools
import math
import pathlib
import sys
import tempfile

import keras
import numpy as np
import timing
import work

from acai_tf.data.lines import LENGTH, SIZE, THICKNESS, draw_lines
from acai_tf.data.pipeline import pipeline


def data(arguments) -> timing.Rows:
    """All four comparisons."""
    config = work.config_of(arguments, "mnist")
    in_memory = work.random_images(arguments.images, (32, 32, 3))
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "images"
        in_memory.train_images.tofile(file)
        mapped = np.memmap(file, np.uint8, "r", shape=in_memory.train_images.shape)
        in_file = dataclasses.replace(in_memory, train_images=np.asarray(mapped))
        steps = 40 * arguments.steps

        def read(source):
            batches = iter(pipeline(source, config, 0))
            return lambda: collections.deque(itertools.islice(batches, steps), maxlen=0)

        candidates = {"from memory": read(in_memory), "from a file": read(in_file)}
        seconds = timing.interleaved(candidates, arguments.rounds)
        measured = timing.rates(seconds, steps * config.batch)

    take = work.fitted_steps(in_memory, config, arguments.steps)[1]
    batches = pipeline(in_memory, config, 0)
    if keras.backend.backend() == "tensorflow":
        one = batches.take(1).cache().repeat()
    else:
        one = (batch for batch in itertools.repeat(next(batches)))  # Keras takes generators
    candidates = {
        "fit, always the same batch": functools.partial(take, one),
        "fit": functools.partial(take, batches),
    }
    seconds = timing.interleaved(candidates, arguments.rounds)
    measured += timing.rates(seconds, arguments.steps * config.batch)

    count = arguments.steps * 64
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, count)
    candidates = {
        "lines, 64 at a time": lambda: [draw_lines(part) for part in angles.reshape(-1, 64)],
        "lines, one by one": lambda: [draw_one(angle) for angle in angles],
    }
    return measured + timing.rates(timing.interleaved(candidates, arguments.rounds), count)


def draw_one(angle: float):
    """One line [32, 32, 1], pixel by pixel, as the original program draws it."""
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


if __name__ == "__main__":
    sys.exit(
        timing.main(
            data, steps=(24, "steps per turn"), images=(200_000, "images in memory, at least 64")
        )
    )
