"""First candidates that tell much."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas._means import centroids
from nas.encoders import FeatureEncoder
from nas.encoders.base import Encoder
from nas.errors import UserError
from nas.networks import LogSize
from nas.options import Share, validated
from nas.strategies.base import ArchiveStrategy
from nas.types import Estimator, Proposal, Space

_SAMPLE = 1000  # architectures of which candidates are chosen
_EACH = 4  # of them for each candidate, at least
_ROUNDS = 20  # of k-means
_CELLS = 500  # architectures by which features are scaled


@validated
class Spread(ArchiveStrategy):
    """Architectures that lie far from one another, of the larger ones.

    Of a random sample the larger part is kept, by the parameters of the networks, where they can be counted; it is
    divided by k-means (FAISS) in an embedding, and the architecture nearest to each centroid is proposed, those of the
    largest clusters first. No value is needed, and none is used.

    Args:
        space: the search space.
        encoder: in whose embedding they are to lie apart: in a composition the estimator's, where that can decode;
            None: plain features of the graph, or the genes where there are none.
        larger: which part of the sample is kept, above 0, at most 1.
    """

    rounds = 1
    least = 1  # its proposals belong together

    def __init__(self, space: Space, encoder: Encoder | None = None, *, larger: Share = 0.5) -> None:
        super().__init__(space)
        self.larger = larger
        self._encoder = _plain(space) if encoder is None else encoder
        self._size = LogSize(space)

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Choose up to `n` of a sample."""
        sample = self.space.batch(self.space.sample(max(_SAMPLE, round(_EACH * n / self.larger)), rng))
        sample = sample.take(np.sort(np.unique(sample.keys, return_index=True)[1]))
        if self._size.known:
            kept = max(n, round(self.larger * len(sample)))
            sample = sample.take(np.argsort(-self._size(sample), kind="stable")[:kept])
        if n >= len(sample):
            return self.proposal(sample, "spread")
        points = self._encoder.embed(sample).values
        return self.proposal(sample.take(_medoids(points, n, int(rng.integers(1 << 30)))), "spread")


def _plain(space: Space) -> Encoder:
    try:
        return FeatureEncoder(space, features=["graph"], cells=_CELLS)
    except UserError:  # it has too many operations
        return FeatureEncoder(space, features=["one_hot"])


def _medoids(points: NDArray[np.float32], n: int, seed: int) -> NDArray[np.intp]:
    """`(n,)`: distinct points, each the nearest left to one of `n` centroids, those of the largest clusters first."""
    distances = ((points[:, None] - centroids(points, n, rounds=_ROUNDS, seed=seed)) ** 2).sum(axis=2)
    clusters = np.bincount(distances.argmin(axis=1), minlength=n)
    chosen = []
    for cluster in np.argsort(-clusters, kind="stable"):
        chosen.append(int(distances[:, cluster].argmin()))
        distances[chosen[-1]] = np.inf
    return np.array(chosen)
