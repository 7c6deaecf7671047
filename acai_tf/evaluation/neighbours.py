"""Nearest neighbours: do images of one class have codes close to each other?"""

import numpy as np

from acai_tf.evaluation.context import Context
from acai_tf.evaluation.linear import standardise
from acai_tf.evaluation.pixels import Pixels

SCORES = {"neighbours_accuracy": ("10 nearest neighbours, %", "higher")}
K = 10


def evaluate(context: Context) -> dict[str, float]:
    """Accuracy of the vote of the 10 nearest training codes, on the test set.

    Euclidean distances between standardized codes (raw pixels: as they are) of the first 60,000
    training images and of all test images; neighbours have equal weight, ties go to the lower
    class.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes seconds to import

    context.check_classes()
    train, test = context.train_codes, context.test_codes
    if not isinstance(context.model, Pixels):  # which have one scale
        train, test = standardise(train, test)
    vote = KNeighborsClassifier(min(K, len(train)), algorithm="brute")
    found = vote.fit(train, context.train_labels).predict(test)
    return {"neighbours_accuracy": float(np.mean(found == context.dataset.test_labels))}


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of rows [n, d] and [m, d], [n, m]: |a|^2 + |b|^2 - 2 a.b."""
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)
    return np.maximum(squares - 2 * a @ b.T, 0)
