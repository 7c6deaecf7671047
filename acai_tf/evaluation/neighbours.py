"""Do images of a class have codes that are near each other?"""

import numpy as np

from acai_tf.evaluation.linear import standardise
from acai_tf.evaluation.subject import Subject

K = 10


def evaluate(subject: Subject) -> dict[str, float]:
    """Accuracy of the vote of the 10 nearest training codes, on the test set.

    Euclidean distances between standardised codes of the first 60,000 training images and of
    all test images; all neighbours count the same, ties go to the lower class.

    Returns:
        {"neighbours_accuracy" in 0..1}, or {} where there are no classes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if not subject.has_classes:
        return {}
    train, test = standardise(subject.train_codes, subject.test_codes)
    vote = KNeighborsClassifier(min(K, len(train)), algorithm="brute")
    vote.fit(train, subject.train_labels)
    return {
        "neighbours_accuracy": float(np.mean(vote.predict(test) == subject.dataset.test_labels))
    }
