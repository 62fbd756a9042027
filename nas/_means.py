"""Centroids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST = 256  # points for each centroid that k-means sees, as FAISS has it


def centroids(
    points: NDArray[np.float32], count: int, *, rounds: int, seed: int, most: int = _MOST
) -> NDArray[np.float32]:
    """`(count, width)`: the centroids of points `(n, width)` by k-means (FAISS).

    Args:
        points: at least `count`.
        count: of centroids.
        rounds: of k-means.
        seed: of the first centroids, and of which points are seen.
        most: how many points for each centroid are seen at most.
    """
    import faiss  # after torch, which the encoder has imported

    means = faiss.Kmeans(
        points.shape[1], count, niter=rounds, seed=seed, max_points_per_centroid=most, min_points_per_centroid=1
    )
    means.train(np.ascontiguousarray(points))
    assert means.centroids is not None
    return means.centroids
