"""Many restarts at once come to what scikit-learn's KMeans comes to, one by one."""

import concurrent.futures

import numpy as np
import pytest
from sklearn.cluster import KMeans

from acai_tf.evaluation import kmeans
from acai_tf.evaluation.clustering import best_of, whiten


def points(count=700, width=6, seed=0):
    rng = np.random.default_rng(seed)
    means = 2 * rng.normal(size=(5, width))
    drawn = means[rng.integers(0, 5, count)] + rng.normal(size=(count, width))
    return (drawn + 1000).astype(np.float32)  # far from 0


def one_by_one(points, starts):
    ends = [
        KMeans(len(chosen), init=points[chosen], n_init=1, max_iter=1000).fit(points)
        for chosen in starts
    ]
    return ends, [inertia(points, end.cluster_centers_) for end in ends]


def inertia(points, centers):
    """In float64: scikit-learn's own is summed in float32."""
    away = points.astype(np.float64)[:, None] - centers.astype(np.float64)[None]
    return np.square(away).sum(2).min(1).sum()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("clusters", [2, 9, 255, 256])
def test_every_restart_ends_where_scikit_learn_ends(clusters, threads):
    data = points()
    rng = np.random.default_rng(1)
    starts = [rng.choice(len(data), clusters, replace=False) for _ in range(6)]
    expected, inertias = one_by_one(data, starts)
    middle = data.mean(0, dtype=np.float64)
    table = np.ones((len(data), data.shape[1] + 1), np.float32)
    table[:, :-1] = data - middle
    restarts = kmeans._Restarts(table, clusters, len(starts))
    for slot, chosen in enumerate(starts):
        restarts.start(slot, chosen)
    left = list(range(len(starts)))
    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        while left:
            idle = restarts.iterate(executor, threads, 1000)
            for slot in idle:
                which = left[slot]
                np.testing.assert_allclose(
                    restarts.centers[slot] + middle, expected[which].cluster_centers_, atol=1e-5
                )
                squares = np.square(table[:, :-1]).sum()
                assert restarts.inertia[slot] + squares == pytest.approx(inertias[which], rel=1e-4)
                assert restarts.taken[slot] - expected[which].n_iter_ in (0, 1)
            left = [which for slot, which in enumerate(left) if slot not in idle]
            restarts.drop(idle)


def test_the_best_of_more_restarts_than_run_at_once(monkeypatch):
    monkeypatch.setattr(kmeans, "AT_ONCE", 7)
    data = points(300)
    rng = np.random.default_rng(3)
    starts = [rng.choice(len(data), 9, replace=False) for _ in range(40)]
    _, inertias = one_by_one(data, starts)
    seen = []
    centers = kmeans.best_centers(data, 9, 40, 3, ended=seen.append)
    assert sum(seen) == 40
    assert inertia(data, centers) == pytest.approx(min(inertias), rel=1e-6)
    assert max(inertias) > 1.01 * min(inertias)  # restarts matter here


def test_iterations_are_limited():
    data = points(300)
    start = np.random.default_rng(4).choice(len(data), 9, replace=False)
    after_two = KMeans(9, init=data[start], n_init=1, max_iter=2, tol=0).fit(data)
    found = kmeans.best_centers(data, 9, 1, 4, max_iter=2)
    np.testing.assert_allclose(found, after_two.cluster_centers_, atol=1e-4)


def test_it_ends_when_centers_hardly_move():
    """Some time before the last point has changed its cluster."""
    data = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    start = np.random.default_rng(0).choice(len(data), 8, replace=False)
    usual, to_the_end = (
        KMeans(8, init=data[start], n_init=1, max_iter=1000, tol=tol).fit(data) for tol in (1e-4, 0)
    )
    table = np.concatenate([data - data.mean(0), np.ones((len(data), 1), np.float32)], 1)
    restarts = kmeans._Restarts(table, 8, 1)
    restarts.start(0, start)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        while not len(restarts.iterate(executor, 1, 1000)):
            pass
    assert restarts.taken[0] - usual.n_iter_ in (0, 1)
    assert to_the_end.n_iter_ > usual.n_iter_ + 3


@pytest.mark.parametrize(
    ("count", "clusters", "n_init", "value"), [(5, 6, 1, 0), (5, 2, 0, 0), (5, 2, 1, np.nan)]
)
def test_what_cannot_be_clustered_is_refused(count, clusters, n_init, value):
    data = points(count)
    data[0, 0] += value
    with pytest.raises(ValueError, match="points must be finite"):
        kmeans.best_centers(data, clusters, n_init, 0)


def test_an_empty_cluster_takes_the_point_that_is_farthest_from_its_center():
    data = np.float32([[0, 0], [0, 0], [1, 0], [5, 5], [9, 9], [9, 8]])
    table = np.concatenate([data - data.mean(0), np.ones((6, 1), np.float32)], 1)
    restarts = kmeans._Restarts(table, 3, 1)
    restarts.start(0, np.array([0, 1, 2]))  # two clusters begin at one point
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        while not len(restarts.iterate(executor, 1, 100)):
            assert (restarts.sums[0, :, -1] > 0).all()
    label = restarts.labels[:, 0]
    assert len(set(label)) == 3
    expected = KMeans(3, init=data[[0, 1, 2]], n_init=1).fit(data)
    assert inertia(data - data.mean(0), restarts.centers[0]) <= expected.inertia_ + 1e-4


def test_no_worse_than_scikit_learn_by_its_own_restarts():
    """As the published protocol asks, on whitened codes, whose clusters are hard to find."""
    data, _ = whiten(points(1000, 8), points(10, 8))
    expected = KMeans(5, init="random", n_init=60, max_iter=1000, random_state=0).fit(data)
    ours = best_of(data, 5, 60, 0)
    assert inertia(data, ours.cluster_centers_) <= inertia(data, expected.cluster_centers_) * 1.0001
    np.testing.assert_array_equal(ours.predict(data), ours.labels_)
