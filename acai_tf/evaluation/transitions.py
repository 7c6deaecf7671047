"""How class probabilities change along interpolations, under a classifier trained apart."""

import numpy as np

from acai_tf.evaluation.context import Context, shared, shrunk

SCORES = {
    "transition_smoothness": ("how unevenly class probabilities change; 0: evenly", ""),
    "transition_smoothness_blend": ("the same of pixel blends", ""),
    "transition_detour": ("change of class probabilities beyond that from end to end", ""),
    "transition_detour_blend": ("the same of pixel blends", ""),
    "transition_confidence": ("the likeliest class's probability between the ends", "higher"),
    "transition_confidence_blend": ("the same of pixel blends", ""),
    "classifier_accuracy": ("test accuracy of that classifier, 0..1", ""),
}
APART = 0.5  # ends whose class probabilities differ by less are of one class
EXAMPLES, CLASSES = 4, 4  # interpolations in the figure, and classes shown of each at most


def smoothness(steps: np.ndarray, total: np.ndarray) -> np.ndarray:
    """How far the largest step is above an even one, as the line benchmark has it for angles.

    max(step) / total - 1 / n: 0 is perfectly even, 1 - 1/n a single jump.

    Args:
        steps: [paths, n]. total: [paths], from end to end.
    """
    return steps.max(axis=1) / total - 1 / steps.shape[1]


def path_scores(p: np.ndarray) -> dict[str, float]:
    """What class probabilities do along paths.

    Args:
        p: p(class | image), [paths, n, classes].

    Returns:
        {"smoothness", "detour", "confidence"}, see `evaluate`; NaN where no path has ends apart.
    """
    steps = np.abs(np.diff(p, axis=1)).sum(-1) / 2  # total variation, [paths, n - 1]
    total = np.abs(p[:, -1] - p[:, 0]).sum(-1) / 2
    apart = total >= APART
    if not apart.any():
        return dict.fromkeys(("smoothness", "detour", "confidence"), float("nan"))
    p, steps, total = p[apart], steps[apart], total[apart]
    return {
        "smoothness": float(np.mean(smoothness(steps, total))),
        "detour": float(np.mean(steps.sum(1) - total)),
        "confidence": float(np.mean(p[:, 1:-1].max(-1))),
    }


@shared
def along_paths(context: Context) -> tuple[np.ndarray, np.ndarray, float]:
    """Class probabilities along `context.paths` and `.blends`, and the classifier's accuracy."""
    from acai_tf.evaluation import classifier

    model = classifier.trained(context)

    def probabilities(paths):
        flat = np.clip(paths.reshape(-1, *paths.shape[2:]), -1, 1)
        return classifier.probabilities(model, flat).reshape(*paths.shape[:2], -1)

    test = classifier.probabilities(model, shrunk(context.dataset.test_images))
    accuracy = float(np.mean(test.argmax(-1) == context.dataset.test_labels))
    return probabilities(context.paths), probabilities(context.blends), accuracy


def evaluate(context: Context) -> dict[str, float]:
    """Class probabilities along interpolations under a small convolutional classifier.

    The classifier is trained on the dataset's training images, apart from any autoencoder, and is
    the same for all models of a dataset (`acai_tf.evaluation.classifier`). 256 interpolations of
    16 images between test images (fewer where there are few), of which those count whose ends
    differ by 0.5 at least. A step's size, and the distance of the ends, is the total variation
    between class probabilities, 0..1. Beside each score the same for the pixel blend.

    Smoothness is to be read with confidence: images of no class at all may change as evenly as
    one likes, and a path of good images, each of some class, has to leave it in few steps. A
    detour is right where the way leads over other classes, as for lines that turn.

    Returns:
        {"transition_smoothness": largest step / distance of the ends - 1/15,
         "transition_detour": sum of the steps - distance of the ends; classes passed on the way,
         "transition_confidence": the largest probability, mean over what lies between the ends,
         each with "..._blend",
         "classifier_accuracy": on the test set}.

    Raises:
        CannotEvaluate: there are no classes.
    """
    path, blend, accuracy = along_paths(context)
    scores = {}
    of_path, of_blend = path_scores(path), path_scores(blend)
    for name in of_path:
        scores[f"transition_{name}"] = of_path[name]
        scores[f"transition_{name}_blend"] = of_blend[name]
    return {**scores, "classifier_accuracy": accuracy}


def draw(context: Context) -> dict:
    """Class probabilities along some interpolations, decoded and blended."""
    from acai_tf.evaluation import plots

    path, blend, _ = along_paths(context)
    total = np.abs(path[:, -1] - path[:, 0]).sum(-1) / 2
    chosen = np.flatnonzero(total >= APART)[:EXAMPLES]
    if not len(chosen):
        return {}
    along = np.linspace(0, 1, path.shape[1])
    titles = [
        f"{what} {n + 1}" for what in ("interpolation", "its blend") for n in range(len(chosen))
    ]
    figure, axes = plots.panels(*titles, columns=len(chosen))
    names = context.dataset.class_names
    for row, p in zip((axes[: len(chosen)], axes[len(chosen) :]), (path, blend), strict=True):
        for ax, one in zip(row, p[chosen], strict=True):
            likeliest = np.argsort(-one.max(0))[:CLASSES]
            for rank, c in enumerate(c for c in likeliest if one[:, c].max() > 0.1):
                color = plots.class_color(c if len(names) <= plots.FEW else rank)
                ax.plot(along, one[:, c], color=color, label=plots.plain(names[c]))
            ax.set(ylim=(-0.03, 1.03))
            ax.legend(fontsize="small")
    for ax in axes[len(chosen) :]:
        ax.set(xlabel="along the way")
    for ax in (axes[0], axes[len(chosen)]):
        ax.set(ylabel="class probability")
    return {"transitions": figure}
