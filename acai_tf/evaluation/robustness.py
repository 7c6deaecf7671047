"""Robustness: test images that are noisy, have holes, are blurred or partly covered."""

import contextlib
import math
import sys

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared
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


def _corrupted(name: str, strength: float, images: np.ndarray, **noise) -> np.ndarray:
    """Images under a corruption that training knows too."""
    from acai_tf.models import corruption  # imports keras, which takes seconds

    return np.asarray(getattr(corruption, name)(strength).corrupt(images, noise))


CORRUPTIONS = {  # name: (function, strengths, axis of the figure)
    "noise": (noise, (0.1, 0.2, 0.4), "standard deviation, black to white = 1"),
    "holes": (holes, (0.1, 0.25, 0.5), "share of pixels"),
    "blur": (blur, (0.5, 1.0, 2.0), "standard deviation, pixels at size 32"),
    "square": (square, (0.25, 0.5, 0.75), "side, share of the image's"),
}
SCORES = {
    f"{corruption}_{strength:g}_{score}": (f"{name}, {corruption} {strength:g}{unit}", better)
    for corruption, (_, strengths, _) in CORRUPTIONS.items()
    for strength in strengths
    for score, name, unit, better in (
        ("rmse", "RMSE to the clean image", "", "lower"),
        ("probe_accuracy", "joint probe", ", %", "higher"),
    )
}


@shared
def curves(context: Context) -> dict[tuple[str, float], tuple[float, float | None]]:
    """{(corruption, strength): (RMSE, accuracy of the probe, if there is one)}, also strength 0."""
    conditions = [(name, s) for name in CORRUPTIONS for s in (0.0, *CORRUPTIONS[name][1])]
    bar = tqdm(conditions, desc="robustness", disable=not sys.stderr.isatty())
    return {(name, s): _scores(context, CORRUPTIONS[name][0], s) for name, s in bar}


def _scores(context: Context, corrupt, strength: float) -> tuple[float, float | None]:
    images = context.dataset.test_images[:IMAGES]
    labels = context.dataset.test_labels[:IMAGES]
    rng = np.random.default_rng(SEED)
    errors, correct = [], []
    size = max(1, PART // math.prod(images.shape[1:3]))
    for start in range(0, len(images), size):
        clean = to_float(images[start : start + size])
        corrupted = corrupt(clean, strength, rng).astype(np.float32) if strength else clean
        errors.append(squared_errors(context, corrupted, clean))
        with contextlib.suppress(CannotEvaluate):
            found = context.classify(corrupted).argmax(-1)
            correct.append(found == labels[start : start + size])
    rmse = float(np.sqrt(np.mean(np.concatenate(errors))))
    return rmse, float(np.mean(np.concatenate(correct))) if correct else None


def evaluate(context: Context) -> dict[str, float]:
    """Reconstruction and joint probe under Gaussian noise, dropped pixels, blur and a black square.

    Up to 2,500 test images are corrupted with three strengths each; autoencoder and probe are those
    trained on clean images. Reconstructions are compared with the CLEAN images, 0..255.
    """
    scores = {}
    for (name, strength), (rmse, accuracy) in curves(context).items():
        if strength:
            scores[f"{name}_{strength:g}_rmse"] = rmse
            if accuracy is not None:
                scores[f"{name}_{strength:g}_probe_accuracy"] = accuracy
    return scores


def draw(context: Context) -> dict:
    """Both scores against the strength."""
    found, count = curves(context), len(CORRUPTIONS)
    figure, axes = plots.panels(*CORRUPTIONS, *[""] * count, columns=count)
    for upper, lower, name in zip(axes, axes[count:], CORRUPTIONS, strict=False):
        strengths = (0.0, *CORRUPTIONS[name][1])
        rmse, accuracy = zip(*(found[name, s] for s in strengths), strict=True)
        upper.plot(strengths, rmse, marker="o", color=plots.MODEL)
        upper.set(ylim=(0, 1.1 * max(rmse)), ylabel="RMSE to the clean image")
        lower.set(xlabel=CORRUPTIONS[name][2], ylim=(0, 1), ylabel="probe accuracy")
        if None in accuracy:
            lower.text(0.5, 0.5, "no probe", ha="center", transform=lower.transAxes)
        else:
            lower.plot(strengths, accuracy, marker="o", color=plots.MODEL)
    return {"robustness": figure}
