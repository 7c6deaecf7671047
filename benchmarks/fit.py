"""`fit` with its input and callbacks, without reports, against the bare compiled step."""

import functools
import sys

import timing
import work

from acai_tf.data import load_dataset
from acai_tf.data.pipeline import pipeline


def fit(arguments) -> timing.Rows:
    """One table row per size and candidate."""
    rows = []
    for size in work.sizes(arguments, "lines", "svhn"):
        config, steps = work.config_of(arguments, size), work.turn(arguments, size)
        dataset = work.random_images(4096, work.SIZES[size])
        if size == "lines":
            dataset = load_dataset(config)
        model, take = work.fitted_steps(dataset, config, steps)
        bare = work.bare_steps(model, next(iter(pipeline(dataset, config, 0))))
        candidates = {
            "bare step": functools.partial(bare, steps),
            "fit": functools.partial(take, pipeline(dataset, config, 0)),
        }
        seconds = timing.interleaved(candidates, arguments.rounds)
        for row in timing.rates(seconds, steps * config.batch):
            rows.append({"size": size, "model": config.model, **row})
    return rows


if __name__ == "__main__":
    sys.exit(timing.main(fit, steps=(24, "steps per turn; svhn: an eighth")))
