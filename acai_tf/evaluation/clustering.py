"""Clustering of the codes (section 4.2)."""

import sys

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shared
from acai_tf.evaluation.kmeans import best_centers

SCORES = {
    "clustering_accuracy": ("k-means on whitened codes, test accuracy, 0..1", "higher"),
    "clustering_nmi": ("its normalised mutual information with the classes, 0..1", "higher"),
    "clustering_ari": ("its adjusted Rand index, to 1", "higher"),
    "clustering_accuracy_unwhitened": ("k-means on codes as they are", "higher"),
    "clustering_n_init": ("restarts of k-means", ""),
}


def whiten(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre codes, rotate them onto the singular vectors of `train`, and divide by
    (singular value + 1e-5); `test` with the statistics of `train`.

    Args:
        train: [N, d]. test: [M, d].
    """
    mean = train.mean(0)
    _, singular, rows = np.linalg.svd(train - mean, full_matrices=False)
    transform = rows.T / (singular + 1e-5)
    return (train - mean) @ transform, (test - mean) @ transform


def matched(cluster: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Clusters named by classes, one to one, so that most are right (the Hungarian method).

    Args:
        cluster, label: whole numbers [N].

    Returns:
        The class of each one's cluster, whole numbers [N].
    """
    from scipy.optimize import linear_sum_assignment

    size = int(max(cluster.max(), label.max())) + 1
    together = np.zeros((size, size), np.int64)
    np.add.at(together, (cluster, label), 1)
    _, classes = linear_sum_assignment(together, maximize=True)
    return classes[cluster]


def matched_accuracy(cluster: np.ndarray, label: np.ndarray) -> float:
    """Accuracy in 0..1 of clusters that are `matched` to classes."""
    return float(np.mean(matched(cluster, label) == label))


def best_of(codes: np.ndarray, clusters: int, n_init: int, seed: int):
    """The k-means of lowest inertia of `n_init` random initialisations, with a progress bar.

    Args:
        codes: [N, d].
        clusters: how many.
        n_init: restarts, each of at most 1,000 iterations.
        seed: of all of them.

    Returns:
        A fitted `sklearn.cluster.KMeans`.
    """
    from sklearn.cluster import KMeans

    with tqdm(total=n_init, desc="k-means", disable=not sys.stderr.isatty()) as bar:
        centers = best_centers(codes, clusters, n_init, seed, ended=bar.update)
    # From there until nothing moves.
    return KMeans(clusters, init=centers, n_init=1, max_iter=1000, tol=0).fit(codes)


@shared
def clusters(context: Context, n_init: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The clusters of test codes that were whitened, and of those that were not, [M] each.

    Raises:
        CannotEvaluate: there are no classes, a code is not finite, or there are fewer images than
            clusters.
    """
    context.check_classes()
    classes, train = context.dataset.classes, context.train_codes
    few = train[:1000]  # enough to see it, as a rule
    different = len(np.unique(few if len(np.unique(few, axis=0)) >= classes else train, axis=0))
    if different < classes:
        raise CannotEvaluate(
            f"{different} different codes of {len(train)} training images cannot make"
            f" {classes} clusters"
        )
    white_train, white_test = whiten(train, context.test_codes)
    return (
        best_of(white_train, classes, n_init, seed).predict(white_test),
        best_of(train, classes, n_init, seed).predict(context.test_codes),
    )


def evaluate(context: Context, n_init: int = 1000, seed: int = 0) -> dict[str, float]:
    """k-means on whitened codes of the first 60,000 training images, scored on the test set.

    As published: random initialisation, `n_init` (1000) restarts of at most 1000
    iterations, the one of lowest inertia, clusters matched to classes by the
    Hungarian method on the test set. Beside that accuracy, two measures that need
    no matching, and the accuracy of the same protocol without whitening.

    Returns:
        {"clustering_accuracy" in 0..1, "clustering_nmi" (normalised mutual information) in 0..1,
         "clustering_ari" (adjusted Rand index) to 1, "clustering_accuracy_unwhitened",
         "clustering_n_init"}.

    Raises:
        CannotEvaluate: as `clusters`.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    cluster, plain = clusters(context, n_init=n_init, seed=seed)
    label = context.dataset.test_labels
    return {
        "clustering_accuracy": matched_accuracy(cluster, label),
        "clustering_nmi": float(normalized_mutual_info_score(label, cluster)),
        "clustering_ari": float(adjusted_rand_score(label, cluster)),
        "clustering_accuracy_unwhitened": matched_accuracy(plain, label),
        "clustering_n_init": n_init,
    }


def draw(context: Context) -> dict:
    """Which classes the clusters hold, each named by the class that it was matched to."""
    from acai_tf.evaluation import plots

    data = context.dataset
    cluster = matched(clusters(context)[0], data.test_labels)
    figure = plots.confusion(data.test_labels, cluster, data.class_names, "the cluster's class")
    return {"clusters": figure}
