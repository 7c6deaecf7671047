"""k-means of the published protocol, against scikit-learn's."""

import statistics

from benchmarks import timing
from benchmarks.timing import Rows


def clustering(arguments) -> Rows:
    """Restarts at a time on whitened codes, the same number of each, and the lowest inertia."""
    from sklearn.cluster import KMeans

    from acai_tf.evaluation.clustering import best_of

    rows = []
    for width in (256, 32):
        points = codes(arguments.points, width)
        inertias = {"ours": [], "scikit-learn": []}

        def ours(points=points, found=inertias["ours"]):
            found.append(best_of(points, 10, arguments.restarts, len(found)).cluster_centers_)

        def theirs(points=points, found=inertias["scikit-learn"]):
            seed, restarts = len(found), arguments.restarts
            kmeans = KMeans(10, init="random", n_init=restarts, max_iter=1000, random_state=seed)
            found.append(kmeans.fit(points).cluster_centers_)

        rivals = {"ours": ours, "scikit-learn": theirs}
        seconds = timing.interleaved(rivals, arguments.rounds)
        for row in timing.rates(seconds, arguments.restarts, "ours", "restarts/s"):
            row["1000 restarts, s"] = 1000 / row["restarts/s"]
            lowest = [inertia(points, centers) for centers in inertias[row["rival"]]]
            row["lowest inertia"] = f"{statistics.median(lowest):.6g}"
            rows.append({"codes": f"{len(points)} x {width}", **row})
    return rows


def codes(count: int, width: int):
    """Whitened codes of ten classes that overlap, as those of an autoencoder do: [N, width]."""
    import numpy as np

    from acai_tf.evaluation.clustering import whiten

    rng = np.random.default_rng(0)
    means = 0.2 * rng.normal(size=(10, width))
    drawn = rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) / width**0.5
    return whiten((means[rng.integers(0, 10, count)] + drawn).astype(np.float32), drawn[:1])[0]


def inertia(points, centers) -> float:
    """The sum of squared distances to the nearest center, in float64."""
    import numpy as np

    centers = centers.astype(np.float64)
    squares = np.square(centers).sum(1)
    return sum(
        float((np.square(part).sum(1) + (squares - 2 * part @ centers.T).min(1)).sum())
        for part in np.array_split(points.astype(np.float64), 100)
    )
