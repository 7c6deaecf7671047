"""Clustering of the codes (section 4.2)."""

import sys

import numpy as np
from tqdm import tqdm

from acai_tf.evaluation.subject import Subject

AT_ONCE = 10  # restarts between two looks at the progress bar


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


def matched_accuracy(cluster: np.ndarray, label: np.ndarray) -> float:
    """Accuracy in 0..1 when clusters are matched to classes one to one so that it is highest.

    Args:
        cluster, label: whole numbers [N].
    """
    from scipy.optimize import linear_sum_assignment

    size = int(max(cluster.max(), label.max())) + 1
    together = np.zeros((size, size), np.int64)
    np.add.at(together, (cluster, label), 1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return float(together[rows, columns].sum() / len(label))


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

    best = None
    seeds = np.random.default_rng(seed).integers(0, 2**31, -(-n_init // AT_ONCE))
    with tqdm(total=n_init, desc="k-means", disable=not sys.stderr.isatty()) as bar:
        for start, part_seed in zip(range(0, n_init, AT_ONCE), seeds, strict=True):
            restarts = min(AT_ONCE, n_init - start)
            kmeans = KMeans(
                clusters, init="random", n_init=restarts, max_iter=1000, random_state=int(part_seed)
            ).fit(codes)
            if best is None or kmeans.inertia_ < best.inertia_:
                best = kmeans
            bar.update(restarts)
    return best


def evaluate(subject: Subject, n_init: int = 1000, seed: int = 0) -> dict[str, float]:
    """k-means on whitened codes of the first 60,000 training images, scored on the test set.

    As published: random initialisation, `n_init` (1000) restarts of at most 1000
    iterations, the one of lowest inertia, clusters matched to classes by the
    Hungarian method on the test set. Beside that accuracy, two measures that need
    no matching, and the accuracy of the same protocol without whitening.

    Returns:
        {"clustering_accuracy" in 0..1, "clustering_nmi" (normalised mutual information) in 0..1,
         "clustering_ari" (adjusted Rand index) to 1, "clustering_accuracy_unwhitened",
         "clustering_n_init"}, or {} where there are no classes, or fewer images than classes.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if not subject.has_classes:
        return {}
    classes, label = subject.dataset.classes, subject.dataset.test_labels
    codes = subject.train_codes, subject.test_codes
    if len(codes[0]) < classes:
        print(f"clustering is left out: {len(codes[0])} training images, {classes} classes")
        return {}
    train, test = whiten(*codes)
    cluster = best_of(train, classes, n_init, seed).predict(test)
    plain = best_of(codes[0], classes, n_init, seed).predict(codes[1])
    return {
        "clustering_accuracy": matched_accuracy(cluster, label),
        "clustering_nmi": float(normalized_mutual_info_score(label, cluster)),
        "clustering_ari": float(adjusted_rand_score(label, cluster)),
        "clustering_accuracy_unwhitened": matched_accuracy(plain, label),
        "clustering_n_init": n_init,
    }
