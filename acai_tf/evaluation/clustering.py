"""Clustering of the codes (section 4.2)."""

import numpy as np

TRAIN_CODES = 60_000


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


def evaluate(model, dataset, n_init: int = 1000, seed: int = 0) -> dict[str, float]:
    """k-means on whitened codes of the first 60,000 training images, scored on the test set.

    As published: random initialisation, `n_init` (1000) restarts of at most 1000
    iterations, the one of lowest inertia, clusters matched to classes by the
    Hungarian method on the test set.

    Returns:
        {"clustering_accuracy" in 0..1, "clustering_n_init"}, or {} where there are no classes.
    """
    from sklearn.cluster import KMeans

    if dataset.classes < 2:
        return {}
    images, _ = dataset.train_once(TRAIN_CODES)
    encode = model.compiled_verb("encode")
    train, test = encode(images), encode(dataset.test_images)
    train, test = whiten(*(codes.reshape(len(codes), -1) for codes in (train, test)))
    kmeans = KMeans(
        dataset.classes, init="random", n_init=n_init, max_iter=1000, random_state=seed
    ).fit(train)
    accuracy = matched_accuracy(kmeans.predict(test), dataset.test_labels)
    return {"clustering_accuracy": accuracy, "clustering_n_init": n_init}
