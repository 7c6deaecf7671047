"""k-means from many random starts at once.

Restarts share every pass over the data: the distances of a point to the centers of all of them
are one row of one matrix product, and the sums behind the centers are kept from iteration to
iteration, changed by the points that change clusters alone. Start, iterations and stop are
those of scikit-learn's KMeans(init="random", algorithm="lloyd").
"""

import concurrent.futures
import os
from collections.abc import Callable

import numpy as np

AT_ONCE = 64  # restarts
ROWS = 256  # points at once: ten clusters' distances to them stay in the cache
TOLERANCE = 1e-4  # movement of all centers, squared, in units of the data's mean variance


def best_centers(
    points: np.ndarray,
    clusters: int,
    n_init: int,
    seed: int,
    max_iter: int = 1000,
    ended: Callable[[int], None] = lambda restarts: None,
) -> np.ndarray:
    """Where the centers came to in the restart of lowest inertia.

    Args:
        points: [N, d].
        clusters: how many, N at most.
        n_init: restarts, each from `clusters` different points.
        seed: of all of them.
        max_iter: iterations of each.
        ended: is told how many restarts have just ended.

    Returns:
        [clusters, d].

    Raises:
        ValueError: fewer points than clusters, no restart, or a point that is not finite.

    Beside the points themselves it takes AT_ONCE bytes a point (two from 256 clusters on), at the
    start sixteen times that, and ROWS * AT_ONCE distances to every cluster for each processor.
    """
    from threadpoolctl import threadpool_limits

    if not (0 < clusters <= len(points) and n_init > 0 and np.isfinite(points).all()):
        raise ValueError(
            f"{n_init} restarts of {clusters} clusters of {len(points)} points: there must be one"
            " of each at least, no more clusters than points, and points must be finite"
        )
    rng = np.random.default_rng(seed)
    middle = points.mean(0, dtype=np.float64)  # far from 0, float32 would round distances
    table = np.ones((len(points), points.shape[1] + 1), np.float32)
    np.subtract(points, middle, out=table[:, :-1], casting="same_kind")
    restarts = _Restarts(table, clusters, min(AT_ONCE, n_init))
    waiting, idle = n_init, np.arange(restarts.slots)
    best, lowest = None, np.inf
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = min(threads, 1 + len(points) // ROWS)
    one_each = threadpool_limits(limits=1, user_api="blas")
    with one_each, concurrent.futures.ThreadPoolExecutor(threads) as executor:
        while True:
            for slot in idle[:waiting]:
                restarts.start(slot, rng.choice(len(points), clusters, replace=False))
            restarts.drop(idle[waiting:])
            waiting -= len(idle[:waiting])
            if not restarts.slots:
                return (best + middle).astype(points.dtype)
            idle = restarts.iterate(executor, threads, max_iter)
            for slot in idle:
                if best is None or restarts.inertia[slot] < lowest:
                    best, lowest = restarts.centers[slot].copy(), restarts.inertia[slot]
            if len(idle):
                ended(len(idle))


class _Restarts:
    """Some restarts in step with each other, one a slot.

    Args:
        table: [N, d + 1], points around 0, and a column of ones: the products with it bring
            squares of centers and counts of points along.
        clusters: k.
        slots: S, how many.
    """

    def __init__(self, table: np.ndarray, clusters: int, slots: int):
        self.table, self.clusters = table, clusters
        self.tolerance = TOLERANCE * float(table[:, :-1].var(0, dtype=np.float64).mean())
        width = table.shape[1] - 1
        self.centers = np.zeros((slots, clusters, width))
        # Of each cluster the sum of its points and, in the last column, how many they are.
        self.sums = np.zeros((slots, clusters, width + 1))
        self.labels = np.zeros((len(table), slots), np.min_scalar_type(clusters))
        self.inertia = np.zeros(slots)  # less the sum of the points' squares
        self.taken = np.zeros(slots, int)  # iterations, and the last look at the inertia
        self.still = np.zeros(slots, bool)  # moved less than the tolerance

    @property
    def slots(self) -> int:
        return len(self.centers)

    def start(self, slot: int, chosen: np.ndarray) -> None:
        """Begin a restart at some points."""
        self.centers[slot] = self.table[chosen, :-1]
        self.sums[slot], self.taken[slot], self.still[slot] = 0, 0, False

    def drop(self, slots: np.ndarray) -> None:
        """Go on without some slots."""
        if len(slots):
            for name in ("centers", "sums", "inertia", "taken", "still"):
                setattr(self, name, np.delete(getattr(self, name), slots, axis=0))
            self.labels = np.delete(self.labels, slots, axis=1)

    def iterate(self, executor, threads: int, max_iter: int) -> np.ndarray:
        """One iteration of all: the nearest centers, then the means. Returns who has ended."""
        # How much farther than from the first center each point is from the others, for all
        # restarts: |x - c|^2 - |x - f|^2 = [x, 1] [-2 (c - f), |c|^2 - |f|^2], [k - 1, d + 1, S].
        squares = np.square(self.centers).sum(-1, keepdims=True)
        product = np.concatenate([-2 * self.centers, squares], -1)
        product = (product[:, 1:] - product[:, :1]).transpose(1, 2, 0)
        product = np.ascontiguousarray(product, np.float32)
        edges = np.linspace(0, len(self.table), threads + 1, dtype=int)
        parts = [slice(*edges[n : n + 2]) for n in range(threads)]
        found = list(executor.map(lambda part: self._assign(part, product), parts))
        # From the first center: the sum of |f|^2 - 2 x f over all points, which are around 0.
        self.inertia = sum(inertia for inertia, _, _ in found) + len(self.table) * squares[:, 0, 0]
        changed = sum(changes for _, changes, _ in found)
        self.sums += sum(sums for _, _, sums in found)
        self.taken += 1
        ended = self.still | (changed == 0) | (self.taken > max_iter)
        for slot in np.flatnonzero(~ended & (self.sums[:, :, -1] == 0).any(1)):
            self._fill(slot)
        means = self.sums[~ended, :, :-1] / np.maximum(self.sums[~ended, :, -1:], 1)
        moved = np.square(means - self.centers[~ended]).sum((1, 2))
        self.still[~ended] = moved <= self.tolerance
        self.centers[~ended] = means
        return np.flatnonzero(ended)

    def _assign(self, part: slice, product: np.ndarray) -> tuple:
        """Give some points to the nearest centers: inertias, numbers of changes, change of sums."""
        from scipy.sparse import csc_array

        k, slots = self.clusters, self.slots
        points, labels, new = self.table[part], self.labels[part], self.taken == 0
        farther = np.empty((k - 1, ROWS, slots), np.float32)
        inertia, changes = np.zeros(slots), len(points) * new
        sums = np.zeros((slots, k, points.shape[1]), np.float32)
        rows, counts = [], []
        for begin in range(0, len(points), ROWS):
            some, before = points[begin : begin + ROWS], labels[begin : begin + ROWS]
            np.matmul(some, product, out=farther[:, : len(some)])
            nearest = np.zeros((len(some), slots), np.float32)  # the first center
            label = np.zeros((len(some), slots), labels.dtype)
            for cluster, of in enumerate(farther[:, : len(some)], 1):
                nearer = (of < nearest).view(np.uint8)
                np.maximum(label, nearer * labels.dtype.type(cluster), out=label)
                np.minimum(nearest, of, out=nearest)
            inertia += nearest.sum(0, dtype=np.float64)
            if new.any():  # all points count
                member = label[:, new, None] == np.arange(k, dtype=labels.dtype)
                member = member.reshape(len(some), -1).astype(np.float32)
                sums[new] += (member.T @ some).reshape(-1, k, some.shape[1])
            point, slot = np.nonzero((label != before) & ~new)
            changes += np.bincount(slot, minlength=slots)
            row = np.stack([label[point, slot], before[point, slot]], 1) + (slot * k)[:, None]
            rows.append(row.ravel().astype(np.int32))
            counts.append(np.bincount(point, minlength=len(some)))
            before[...] = label
        # Each point that moves is added to one sum and taken from another.
        ends = np.concatenate([[0], 2 * np.cumsum(np.concatenate(counts))])
        sign = np.tile(np.float32([1, -1]), ends[-1] // 2)
        moves = csc_array((sign, np.concatenate(rows), ends), shape=(slots * k, len(points)))
        return inertia, changes, sums + (moves @ points).reshape(sums.shape)

    def _fill(self, slot: int) -> None:
        """Give empty clusters of a restart the points that are farthest from their centers."""
        label = self.labels[:, slot]
        away = np.square(self.table[:, :-1] - self.centers[slot][label]).sum(1)
        empty = np.flatnonzero(self.sums[slot, :, -1] == 0)
        for cluster, point in zip(empty, np.argsort(-away)[: len(empty)], strict=True):
            self.sums[slot, label[point]] -= self.table[point]
            self.sums[slot, cluster] += self.table[point]
            label[point] = cluster
