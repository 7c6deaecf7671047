"""Do images of a class have codes that are near each other?"""

import numpy as np

from acai_tf.evaluation.context import Context
from acai_tf.evaluation.linear import standardise
from acai_tf.evaluation.pixels import Pixels

SCORES = {"neighbours_accuracy": ("test accuracy of the vote of 10 neighbours, 0..1", "higher")}
K = 10


def evaluate(context: Context) -> dict[str, float]:
    """Accuracy of the vote of the 10 nearest training codes, on the test set.

    Euclidean distances between standardised codes (raw pixels: as they are) of the first 60,000
    training images and of all test images; all neighbours count the same, ties go to the lower
    class.

    Returns:
        {"neighbours_accuracy" in 0..1}.

    Raises:
        CannotEvaluate: there are no classes, or a code is not finite.
    """
    from sklearn.neighbors import KNeighborsClassifier

    context.check_classes()
    train, test = context.train_codes, context.test_codes
    if not isinstance(context.model, Pixels):  # those have one scale as they are
        train, test = standardise(train, test)
    vote = KNeighborsClassifier(min(K, len(train)), algorithm="brute")
    vote.fit(train, context.train_labels)
    return {
        "neighbours_accuracy": float(np.mean(vote.predict(test) == context.dataset.test_labels))
    }
