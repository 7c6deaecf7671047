"""Class transitions: how class probabilities change along interpolations."""

import numpy as np

from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared, shrunk
from acai_tf.kinds import IMAGES

SCORES = {
    "transition_smoothness": ("transition smoothness, 0 even", ""),
    "transition_smoothness_blend": ("transition smoothness of pixel blends", ""),
    "transition_detour": ("transition detour, 0 direct", ""),
    "transition_detour_blend": ("transition detour of pixel blends", ""),
    "transition_confidence": ("confidence between the ends, %", "higher"),
    "transition_confidence_blend": ("confidence between the ends of pixel blends, %", ""),
    "classifier_accuracy": ("separate classifier, %", ""),
}
APART = 0.5  # ends whose class probabilities differ by less are of one class
EXAMPLES, CLASSES = 4, 4  # interpolations in the figure, and classes of each at most


def path_scores(p: np.ndarray) -> dict[str, float]:
    """{"smoothness", "detour", "confidence"}, see `evaluate`, of p(class | image) along paths,
    [paths, n, classes]; NaN where no path has ends apart."""
    steps = np.abs(np.diff(p, axis=1)).sum(-1) / 2  # total variation, [paths, n - 1]
    total = _total(p)
    apart = total >= APART
    if not apart.any():
        return dict.fromkeys(("smoothness", "detour", "confidence"), float("nan"))
    p, steps, total = p[apart], steps[apart], total[apart]
    return {
        "smoothness": float(np.mean(steps.max(1) / total - 1 / steps.shape[1])),
        "detour": float(np.mean(steps.sum(1) - total)),
        "confidence": float(np.mean(p[:, 1:-1].max(-1))),
    }


def _total(p: np.ndarray) -> np.ndarray:
    """Total variation between the ends of paths, [paths, n, classes] -> [paths]."""
    return np.abs(p[:, -1] - p[:, 0]).sum(-1) / 2


@shared
def along_paths(context: Context) -> tuple[np.ndarray, np.ndarray, float]:
    """Class probabilities along `context.paths` and `.blends`, and the classifier's accuracy."""
    from acai_tf.evaluation import classifier  # imports keras, which takes seconds

    context.check_kind(IMAGES)
    model = classifier.trained(context)

    def probabilities(paths):
        flat = np.clip(paths.reshape(-1, *paths.shape[2:]), -1, 1)
        return classifier.probabilities(model, flat).reshape(*paths.shape[:2], -1)

    test = classifier.probabilities(model, shrunk(context.dataset.test_images))
    accuracy = float(np.mean(test.argmax(-1) == context.dataset.test_labels))
    return probabilities(context.paths), probabilities(context.blends), accuracy


def evaluate(context: Context) -> dict[str, float]:
    """Class probabilities along interpolations, according to a small convolutional classifier.

    The classifier is trained on the training images, separately from any autoencoder, and is the
    same for all models of a dataset. Of 256 interpolations of 16 images between test images (fewer
    where there are few), those count whose ends differ by at least 0.5. Differences are total
    variations between class probabilities, 0..1. Each score is also given for the pixel blends.

    Smoothness: largest step / distance of the ends - 1/15, 0 if all steps are equal. Detour: the
    sum of the steps less the distance of the ends, from classes passed on the way. Confidence: the
    largest probability, the mean over images between the ends.

    Read smoothness along with confidence: images of no class at all may change evenly, and a path
    of good images, each of some class, must leave it in few steps. A detour is right where other
    classes are in between, as for lines that turn.
    """
    path, blend, accuracy = along_paths(context)
    of_path, of_blend = path_scores(path), path_scores(blend)
    scores = {}
    for name in of_path:
        scores[f"transition_{name}"] = of_path[name]
        scores[f"transition_{name}_blend"] = of_blend[name]
    return {**scores, "classifier_accuracy": accuracy}


def draw(context: Context) -> dict:
    """Class probabilities along some interpolations, decoded and blended."""
    path, blend, _ = along_paths(context)
    chosen = np.flatnonzero(_total(path) >= APART)[:EXAMPLES]
    if not len(chosen):
        return {}
    t, names = np.linspace(0, 1, path.shape[1]), context.dataset.class_names
    titles = [
        f"{what} {n + 1}" for what in ("interpolation", "its blend") for n in range(len(chosen))
    ]
    figure, axes = plots.panels(*titles, columns=len(chosen))
    for ax, p in zip(axes, [*path[chosen], *blend[chosen]], strict=True):
        likeliest = np.argsort(-p.max(0))[:CLASSES]
        for rank, c in enumerate(c for c in likeliest if p[:, c].max() > 0.1):
            color = plots.class_color(c if len(names) <= plots.FEW else rank)
            ax.plot(t, p[:, c], color=color, label=plots.plain(names[c]))
        ax.set(ylim=(-0.03, 1.03), xlabel="along the interpolation", ylabel="class probability")
        ax.legend(fontsize="small")
    return {"transitions": figure}
