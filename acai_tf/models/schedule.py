"""Learning rates over a run: one factor for all players, a function of the step alone."""

import math

import keras
from keras import ops

from acai_tf.errors import UsageError

SHAPES = ("constant", "cosine", "trapezoid")


@keras.saving.register_keras_serializable("acai_tf")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises, stays and falls: learning_rate * factor(step).

    With step t = 0, 1, ..., of T steps, W of them warm-up and C cool-down, the factor is
    min(1, t / W) times

        constant:  1
        cosine:    (1 + cos(pi (t - W) / (T - W))) / 2 from t = W  (Loshchilov and Hutter 2017)
        trapezoid: min(1, (T - t) / C)  (Hagele et al. 2024: as good as cosine, with C = 0.2 T)

    A trapezoid does not depend on T before its cool-down, so a run can be lengthened from there.

    Args:
        learning_rate: the largest, at least 0.
        steps: T, of the whole run.
        shape: "constant", "cosine" or "trapezoid".
        warmup: W steps over which the rate rises from 0.
        cooldown: C steps over which a trapezoid falls to 0.

    Raises:
        UsageError: an unknown shape; warm-up and cool-down longer than the run.

    Examples:
        >>> schedule = acai_tf.Schedule(1e-3, steps=1000, warmup=100, cooldown=200)
        >>> [round(float(schedule(step)), 6) for step in (0, 50, 100, 800, 900, 1000)]
        [0.0, 0.0005, 0.001, 0.001, 0.0005, 0.0]
        >>> optimizer = keras.optimizers.Adam(schedule)
    """

    def __init__(
        self,
        learning_rate: float,
        steps: int,
        shape: str = "trapezoid",
        warmup: int = 0,
        cooldown: int = 0,
    ):
        if shape not in SHAPES:
            raise UsageError(f"unknown schedule {shape!r}; known: {', '.join(SHAPES)}")
        if cooldown and shape != "trapezoid":
            raise UsageError(f"a cool-down is of a trapezoid, not of {shape}")
        if min(warmup, cooldown) < 0 or warmup + cooldown > steps:
            raise UsageError(f"warm-up {warmup} and cool-down {cooldown} do not fit into {steps}")
        self.learning_rate, self.steps, self.shape = learning_rate, steps, shape
        self.warmup, self.cooldown = warmup, cooldown

    def factor(self, step):
        """The share of the largest rate at a step, in [0, 1]: a scalar."""
        # Whole numbers are subtracted: float32 has no odd ones above 2**24.
        left = ops.cast(ops.maximum(self.steps - step, 0), "float32")
        factor = ops.ones(())
        if self.warmup:
            factor = ops.minimum(ops.cast(step, "float32") / self.warmup, 1.0)
        if self.shape == "trapezoid" and self.cooldown:
            factor = factor * ops.minimum(left / self.cooldown, 1.0)
        if self.shape == "cosine":
            share = ops.minimum(left / max(1, self.steps - self.warmup), 1.0)  # that is left
            factor = factor * (1 - ops.cos(math.pi * share)) / 2
        return factor

    def __call__(self, step):
        return self.learning_rate * self.factor(step)

    def get_config(self):
        names = ("learning_rate", "steps", "shape", "warmup", "cooldown")
        return {name: getattr(self, name) for name in names}
