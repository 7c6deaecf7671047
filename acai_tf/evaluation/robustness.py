"""Robustness: test images that are noisy, have holes, are blurred, covered or adversarial."""

import contextlib
import math
import sys
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from acai_tf import kinds
from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared
from acai_tf.evaluation.fast_gradient import direction
from acai_tf.evaluation.pixels import to_float
from acai_tf.evaluation.reconstruction import PART, squared_errors

IMAGES = 2500  # test images, at most
SEED = 0


def noise(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of this standard deviation, where 1 is from black to white; clipped."""
    noise = rng.standard_normal(images.shape, np.float32)
    return np.clip(_corrupted("GaussianNoise", 2 * strength, images, noise=noise), -1, 1)


def holes(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """This share of the pixels, chosen at random, made black."""
    uniform = rng.random((*images.shape[:3], 1), np.float32)
    return _corrupted("DroppedPixels", strength, images, uniform=uniform)


def blur(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian blur of this standard deviation in pixels, for images scaled to 32 pixels."""
    return _corrupted("Blur", strength * max(images.shape[1:3]) / 32, images)


def square(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A black square at a random place, with this share of the image's shorter side."""
    corner = rng.random((len(images), 2), np.float32)
    return _corrupted("Occlusion", strength, images, corner=corner)


def adversarial(images: np.ndarray, strength: float, direction: np.ndarray) -> np.ndarray:
    """A step of this size, where 1 is from black to white, of each pixel in its `direction`."""
    return np.clip(images + 2 * strength * direction, -1, 1)


def _corrupted(name: str, strength: float, images: np.ndarray, **noise) -> np.ndarray:
    """Images under a corruption that training knows too."""
    from acai_tf.models import corruption  # imports keras, which takes seconds

    return np.asarray(getattr(corruption, name)(strength).corrupt(images, noise))


CORRUPTIONS = {  # name: (function, strengths)
    "noise": (noise, (0.1, 0.2, 0.4)),
    "holes": (holes, (0.1, 0.25, 0.5)),
    "blur": (blur, (0.5, 1.0, 2.0)),
    "square": (square, (0.25, 0.5, 0.75)),
    "adversarial": (adversarial, (0.02, 0.05, 0.1)),
}
SCORES = {
    f"{corruption}_{strength:g}_{score}": (f"{name}, {corruption} {strength:g}{unit}", better)
    for corruption, (_, strengths) in CORRUPTIONS.items()
    for strength in strengths
    for score, name, unit, better in (
        ("rmse", "RMSE to the clean image", "", "lower"),
        ("probe_accuracy", "joint probe", ", %", "higher"),
    )
}


class Point(NamedTuple):
    """What one strength of a corruption does; RMSEs are to the clean images, 0..255."""

    strength: float
    input_rmse: float
    rmse: float  # of the reconstruction
    accuracy: float | None  # of the probe, if there is one


@shared
def curves(context: Context) -> dict[str, list[Point]]:
    """The strengths of each corruption that applies, the first one 0: clean images."""
    context.check_kind(kinds.IMAGES)
    clean = _point(context)
    found = {name: [clean] for name in CORRUPTIONS}
    conditions = [(name, s) for name, (_, strengths) in CORRUPTIONS.items() for s in strengths]
    for name, strength in tqdm(conditions, desc="robustness", disable=not sys.stderr.isatty()):
        with contextlib.suppress(CannotEvaluate):  # adversarial: there may be no gradient
            found[name].append(_point(context, name, strength))
    return {name: points for name, points in found.items() if len(points) > 1}


def _point(context: Context, name: str = "", strength: float = 0.0) -> Point:
    data, rng = context.dataset, np.random.default_rng(SEED)
    images, labels = data.test_images[:IMAGES], data.test_labels[:IMAGES]
    changes, errors, correct = [], [], []
    size = max(1, PART // math.prod(images.shape[1:3]))
    for start in range(0, len(images), size):
        clean, label = to_float(images[start : start + size]), labels[start : start + size]
        corrupted = clean
        if name:
            source = direction(context, clean, label) if name == "adversarial" else rng
            corrupted = CORRUPTIONS[name][0](clean, strength, source).astype(np.float32)
        changes.append(np.mean(np.square(corrupted - clean), axis=(1, 2, 3)) * 127.5**2)
        errors.append(squared_errors(context, corrupted, clean))
        with contextlib.suppress(CannotEvaluate):
            correct.append(context.classify(corrupted).argmax(-1) == label)
    input_rmse, rmse = (float(np.sqrt(np.mean(np.concatenate(e)))) for e in (changes, errors))
    accuracy = float(np.mean(np.concatenate(correct))) if correct else None
    return Point(strength, input_rmse, rmse, accuracy)


def evaluate(context: Context) -> dict[str, float]:
    """Reconstruction and joint probe on corrupted images.

    Up to 2,500 test images are corrupted with three strengths each: Gaussian noise of a standard
    deviation, where 1 is from black to white; a share of the pixels made black; a Gaussian blur of
    a standard deviation in pixels, for images scaled to 32 pixels; a black square with a share of
    the image's side; and adversarial noise, one step x + eps sign(d cross-entropy(probe(x), label)
    / dx) of the fast gradient sign method (Goodfellow et al. 2015), with eps as for noise.
    Reconstructions are compared with the CLEAN images, 0..255. Adversarial noise is left out where
    there is no probe or no gradient (a SavedModel).
    """
    return {
        f"{name}_{point.strength:g}_{score}": value
        for name, points in curves(context).items()
        for point in points[1:]
        for score, value in (("rmse", point.rmse), ("probe_accuracy", point.accuracy))
        if value is not None
    }


def draw(context: Context) -> dict:
    """Both scores against the RMSE of the corrupted image itself; the first point is clean."""
    found = curves(context)
    probed = all(point.accuracy is not None for points in found.values() for point in points)
    titles = ["reconstruction", *["joint probe"] * probed]
    figure, axes = plots.panels(*titles, width=4.2, height=3.6)
    for (name, points), color, marker in zip(found.items(), plots.SERIES, "os^Dv", strict=False):
        _, x, *scores = zip(*points, strict=True)
        for ax, y in zip(axes, scores, strict=False):
            ax.plot(x, y, marker=marker, color=color, label=name)
    ends = [0, max(point.input_rmse for points in found.values() for point in points)]
    axes[0].plot(ends, ends, ":", color=plots.REAL, label="the corrupted image")
    axes[0].set(ylabel="RMSE to the clean image, 0..255")
    axes[0].legend(fontsize="small", frameon=False)
    if probed:
        axes[1].set(ylabel="accuracy", yticks=np.linspace(0, 1, 6))
    for ax in axes:
        ax.set(xlabel="RMSE of the corrupted image, 0..255", xlim=(0, None), ylim=(0, None))
    return {"robustness": figure}
