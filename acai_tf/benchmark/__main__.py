"""python -m acai_tf.benchmark fit|lines

Rivals take turns in one process, and what counts is the median of the ratios of
their turns, so that a machine busy with other things does not decide.
"""

import argparse
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


def fit(arguments) -> None:
    """`fit` with its callbacks and its input, against the bare compiled step on one batch."""
    import tensorflow as tf

    from acai_tf.callbacks import Progress, StopOnNonFinite
    from acai_tf.data import load_dataset
    from acai_tf.models import build_model
    from acai_tf.training import adam, pipeline

    config = Config(model=arguments.model, depth=arguments.depth, latent=2)
    dataset = load_dataset(config)
    model = build_model(config, dataset.image_shape, dataset.classes)
    model.compile(optimizer=adam(config))
    model.optimizer.build(model.trainable_variables)
    batch = next(iter(pipeline(dataset, config, 0)))
    step = tf.function(model.train_step)
    data = pipeline(dataset, config, 0)

    def bare():
        for _ in range(arguments.steps):
            step(batch)

    def fitted():
        callbacks = [StopOnNonFinite(), Progress(config, 0)]
        model.fit(
            data,
            steps_per_epoch=arguments.steps,
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
        )

    seconds = interleaved({"bare step": bare, "fit": fitted}, arguments.rounds)
    report(seconds, arguments.steps * config.batch, "bare step")


def lines(arguments) -> None:
    """Drawing training batches of 64 lines."""
    from acai_tf.data import load_dataset

    batches = load_dataset(Config(dataset="lines")).batches(64, seed=0)

    def draw():
        for _ in range(arguments.steps):
            next(batches)

    report(interleaved({"lines": draw}, arguments.rounds), arguments.steps * 64, "lines")


def main() -> None:
    benchmarks = {"fit": fit, "lines": lines}
    parser = argparse.ArgumentParser(prog="python -m acai_tf.benchmark", description=__doc__)
    parser.add_argument("name", choices=benchmarks)
    parser.add_argument("--model", default="acai")
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--steps", type=int, default=50, help="steps a turn")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    arguments = parser.parse_args()
    command.load_tensorflow()
    benchmarks[arguments.name](arguments)


if __name__ == "__main__":
    raise SystemExit(command.run(main))
