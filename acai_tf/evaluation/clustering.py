"""Clustering: are clusters of codes the classes (section 4.2)?"""

import sys

import numpy as np
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared

SCORES = {
    "clustering_accuracy": ("clustering, %", "higher"),
    "clustering_nmi": ("clustering NMI, 0..1", "higher"),
    "clustering_ari": ("clustering adjusted Rand index, to 1", "higher"),
    "clustering_accuracy_unwhitened": ("clustering without whitening, %", "higher"),
    "clustering_n_init": ("restarts of k-means", ""),
}
AT_ONCE = 10  # restarts between two updates of the progress bar


def whiten(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center codes [N, d] and [M, d], rotate them onto the singular vectors of `train`, and divide
    by (singular value + 1e-5); `test` with the statistics of `train`."""
    mean = train.mean(0)
    _, singular, rows = np.linalg.svd(train - mean, full_matrices=False)
    transform = rows.T / (singular + 1e-5)
    return (train - mean) @ transform, (test - mean) @ transform


def matched(cluster: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The class of each image's cluster: integers [N], [N] -> [N]. Clusters are matched to classes
    one to one for the highest accuracy (the Hungarian algorithm)."""
    from scipy.optimize import linear_sum_assignment  # takes a while to import

    size = int(max(cluster.max(), label.max())) + 1
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (cluster, label), 1)
    _, classes = linear_sum_assignment(counts, maximize=True)
    return classes[cluster]


def matched_accuracy(cluster: np.ndarray, label: np.ndarray) -> float:
    """Accuracy in 0..1 of clusters `matched` to classes."""
    return float(np.mean(matched(cluster, label) == label))


def best_of(codes: np.ndarray, clusters: int, n_init: int, seed: int):
    """The k-means of lowest inertia of `n_init` random initializations, with a progress bar.

    Args:
        codes: [N, d].
        clusters: their number.
        n_init: restarts, each of at most 1,000 iterations.
        seed: of all of them.

    Returns:
        A fitted `sklearn.cluster.KMeans`: that of a single call with this n_init and seed.
    """
    from sklearn.cluster import KMeans  # takes seconds to import

    rng, best = np.random.RandomState(seed), None
    with tqdm(total=n_init, desc="k-means", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, n_init, AT_ONCE):
            count = min(AT_ONCE, n_init - start)
            kmeans = KMeans(clusters, init="random", n_init=count, max_iter=1000, random_state=rng)
            kmeans.fit(codes)
            best = kmeans if best is None or kmeans.inertia_ < best.inertia_ else best
            bar.update(count)
    return best


@shared
def clusters(context: Context, n_init: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The clusters of test codes with whitening, and those without, integers [M] each."""
    context.check_classes()
    classes, train = context.dataset.classes, context.train_codes
    few = train[:1000]  # usually enough
    different = len(np.unique(few if len(np.unique(few, axis=0)) >= classes else train, axis=0))
    if different < classes:
        raise CannotEvaluate(
            f"{different} different codes of {len(train)} training images cannot form"
            f" {classes} clusters"
        )
    white_train, white_test = whiten(train, context.test_codes)
    return (
        best_of(white_train, classes, n_init, seed).predict(white_test),
        best_of(train, classes, n_init, seed).predict(context.test_codes),
    )


def evaluate(context: Context, n_init: int = 1000, seed: int = 0) -> dict[str, float]:
    """k-means on whitened codes of the first 60,000 training images, scored on the test set.

    As published: random initialization, `n_init` (1000) restarts of at most 1000 iterations, the
    one of lowest inertia, clusters matched to classes by the Hungarian algorithm on the test set.
    In addition normalized mutual information (NMI) and the adjusted Rand index, which need no
    matching, and the accuracy of the same protocol without whitening.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score  # seconds

    cluster, unwhitened = clusters(context, n_init=n_init, seed=seed)
    label = context.dataset.test_labels
    return {
        "clustering_accuracy": matched_accuracy(cluster, label),
        "clustering_nmi": float(normalized_mutual_info_score(label, cluster)),
        "clustering_ari": float(adjusted_rand_score(label, cluster)),
        "clustering_accuracy_unwhitened": matched_accuracy(unwhitened, label),
        "clustering_n_init": n_init,
    }


def draw(context: Context, n_init: int = 1000, seed: int = 0) -> dict:
    """A confusion matrix of the classes and the clusters matched to them."""
    data = context.dataset
    cluster = matched(clusters(context, n_init=n_init, seed=seed)[0], data.test_labels)
    figure = plots.confusion(data.test_labels, cluster, data.class_names, "class of the cluster")
    return {"clusters": figure}
