"""Probe and reconstruction of test images that are noisy, have holes or are blurred."""

import contextlib
import math
import sys
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shared
from acai_tf.evaluation.reconstruction import squared_errors
from acai_tf.models.inference import PART

IMAGES = 2500  # test images, at most
SEED = 0


def noise(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of this standard deviation, where 1 is from black to white; cut to range."""
    noise = rng.standard_normal(images.shape, np.float32)
    return np.clip(images + 2 * strength * noise, -1, 1)


def holes(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """This share of the pixels, at random places, made black."""
    return np.where(rng.random((*images.shape[:3], 1), np.float32) < strength, -1, images)


def blur(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian blur of this standard deviation in pixels, the image's longer side being 32."""
    from scipy.ndimage import gaussian_filter

    sigma = strength * max(images.shape[1:3]) / 32
    return gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")


CORRUPTIONS: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "noise": (noise, (0.1, 0.2, 0.4)),
    "holes": (holes, (0.1, 0.25, 0.5)),
    "blur": (blur, (0.5, 1.0, 2.0)),
}
SCORES = {
    f"{name}_{strength:g}_{score}": (f"{what}, {name} of strength {strength:g}", better)
    for name, (_, strengths) in CORRUPTIONS.items()
    for strength in strengths
    for score, what, better in (
        ("rmse", "reconstruction against the clean image, 0..255", "lower"),
        ("probe_accuracy", "accuracy of the joint probe, 0..1", "higher"),
    )
}


@shared
def curves(context: Context) -> dict[str, dict[str, list]]:
    """{corruption: {"strength", "rmse" and, with a probe, "accuracy": a list}}, 0 first."""
    found = {
        name: {"strength": [0.0, *strengths], "rmse": [], "accuracy": []}
        for name, (_, strengths) in CORRUPTIONS.items()
    }
    conditions = sum(len(curve["strength"]) for curve in found.values())
    with tqdm(total=conditions, desc="robustness", disable=not sys.stderr.isatty()) as bar:
        for name, curve in found.items():
            for strength in curve["strength"]:
                rmse, accuracy = _scores(context, CORRUPTIONS[name][0], strength)
                curve["rmse"].append(rmse)
                curve["accuracy"].append(accuracy)
                bar.update()
            if None in curve["accuracy"]:
                del curve["accuracy"]
    return found


def _scores(context: Context, corrupt: Callable, strength: float) -> tuple[float, float | None]:
    """rmse and, with a probe, its accuracy on corrupted images, which are held in parts."""
    from acai_tf.models.reconstruction import to_unit

    images = context.dataset.test_images[:IMAGES]
    labels = context.dataset.test_labels[:IMAGES]
    rng = np.random.default_rng(SEED)
    errors, right = [], []
    part = max(1, PART // math.prod(images.shape[1:3]))
    for start in range(0, len(images), part):
        clean = np.asarray(to_unit(images[start : start + part]))
        corrupted = corrupt(clean, strength, rng).astype(np.float32) if strength else clean
        errors.append(squared_errors(context, corrupted, clean))
        with contextlib.suppress(CannotEvaluate):
            found = context.classify(corrupted).argmax(-1)
            right.append(found == labels[start : start + part])
    rmse = float(np.sqrt(np.mean(np.concatenate(errors))))
    return rmse, float(np.mean(np.concatenate(right))) if right else None


def evaluate(context: Context) -> dict[str, float]:
    """Joint probe and reconstruction under Gaussian noise, dropped pixels and blur.

    Up to 2,500 test images are corrupted at three strengths each, as `noise`, `holes` and `blur`
    say; autoencoder and probe are those of clean images.

    Returns:
        {"<corruption>_<strength>_rmse": of the reconstruction against the CLEAN image, 0..255,
         "<corruption>_<strength>_probe_accuracy": of the joint probe, 0..1, where there is one}.
    """
    scores = {}
    for name, curve in curves(context).items():
        for index, strength in enumerate(curve["strength"]):
            if strength:
                scores[f"{name}_{strength:g}_rmse"] = curve["rmse"][index]
                if "accuracy" in curve:
                    scores[f"{name}_{strength:g}_probe_accuracy"] = curve["accuracy"][index]
    return scores


def draw(context: Context) -> dict:
    """Both scores against the strength."""
    from acai_tf.evaluation import plots

    found = curves(context)
    figure, axes = plots.panels(*found, *([""] * len(found)), columns=len(found))
    axis = {
        "noise": "standard deviation, black to white = 1",
        "holes": "share of pixels",
        "blur": "standard deviation, pixels at size 32",
    }
    for upper, lower, (name, curve) in zip(axes, axes[len(found) :], found.items(), strict=False):
        upper.plot(curve["strength"], curve["rmse"], marker="o", color=plots.MODEL)
        upper.set(ylim=(0, None), ylabel="rmse to the clean image")
        lower.set(xlabel=axis[name], ylim=(0, 1), ylabel="probe accuracy")
        if "accuracy" in curve:
            lower.plot(curve["strength"], curve["accuracy"], marker="o", color=plots.MODEL)
        else:
            lower.text(0.5, 0.5, "no probe", ha="center", transform=lower.transAxes)
    return {"robustness": figure}
