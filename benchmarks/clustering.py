"""k-means of the published protocol, with many restarts, against scikit-learn's."""

import functools
import statistics
import sys

import numpy as np
import timing
from sklearn.cluster import KMeans

from acai_tf.evaluation.clustering import best_of, whiten


def clustering(arguments) -> timing.Rows:
    """The same number of restarts on whitened codes, and the lowest inertia they find."""
    rows = []
    for width in (256, 32):
        points, found = codes(arguments.points, width), {"ours": [], "scikit-learn": []}

        def ours(points, found):
            found.append(best_of(points, 10, arguments.restarts, len(found)).inertia_)

        def scikit_learn(points, found):
            seed, restarts = len(found), arguments.restarts
            kmeans = KMeans(10, init="random", n_init=restarts, max_iter=1000, random_state=seed)
            found.append(kmeans.fit(points).inertia_)

        candidates = {
            "ours": functools.partial(ours, points, found["ours"]),
            "scikit-learn": functools.partial(scikit_learn, points, found["scikit-learn"]),
        }
        seconds = timing.interleaved(candidates, arguments.rounds)
        for row in timing.rates(seconds, arguments.restarts, "restarts/s"):
            row["1000 restarts, s"] = 1000 / row["restarts/s"]
            row["lowest inertia"] = f"{statistics.median(found[row['candidate']]):.6g}"
            rows.append({"codes": f"{len(points)} x {width}", **row})
    return rows


def codes(count: int, width: int) -> np.ndarray:
    """Whitened codes of ten overlapping classes, as an autoencoder's are: [N, width]."""
    rng = np.random.default_rng(0)
    means = 0.2 * rng.normal(size=(10, width))
    noise = rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) / width**0.5
    return whiten((means[rng.integers(0, 10, count)] + noise).astype(np.float32), noise[:1])[0]


if __name__ == "__main__":
    sys.exit(
        timing.main(
            clustering, points=(60_000, "how many codes"), restarts=(128, "restarts per turn")
        )
    )
