"""Kriging on two scales: inducing points for what is far, and the nearest known points for what is near."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas._threads import in_parts
from nas.estimators.inducing import InducingPoints
from nas.estimators.neighbourhood import Neighbourhood, exact, inverse_factor, scale_of
from nas.estimators.prior import Points, Prior
from nas.types import Values

_CHECKED = 2048  # known points that are left out, one at a time, to scale deviations
_SHARED = 1 << 18  # proximities at once, so that they stay in the processor's cache
_PART = 1 << 12  # queries at once where there are many neighbourhoods
_EACH = 128  # known points for each neighbourhood, which holds more: they overlap
_LINKS = 16  # of a centre in the graph by which a query finds the nearest


class Kriging:
    """Scores of queries from those of known points.

    Up to `points` of them all count, exactly. Of more, `points` inducing points carry the global part, and the
    conditional mean of what it leaves, given the `k` known points nearest by, is added (the full-scale approximation of
    Sang and Huang 2012). Which are nearest is asked once for each of many centres, every 128th known point, and a query
    takes the neighbourhood of the centre that FAISS finds next to it. The variance is that given the neighbourhood; the
    scale of deviations is each neighbourhood's own.

    Args:
        prior: what is believed before.
        known: `(n, width)` points.
        scores: `(n,)` their scores.
        points: how many inducing points, at least 1.
        k: how many of the nearest known points count, at least 1.
        rank: where all count, how many directions of their covariance the variance takes into account, at least 1.
        anywhere: `(m, width)` points, by which is seen what fewer directions than all miss.
    """

    def __init__(
        self, prior: Prior, known: NDArray[np.float32], scores: Values, *, points: int, k: int, rank: int,
        anywhere: Points,
    ) -> None:  # fmt: skip
        self.prior = prior
        self._inducing: NDArray[np.float32] | None = None
        if len(known) <= points:
            self._near = [exact(prior, known, scores, rank, anywhere)]
        else:
            self._fit(known, scores, points, min(k, len(known)))

    def _fit(self, known: NDArray[np.float32], scores: Values, points: int, k: int) -> None:
        import faiss

        coarse = InducingPoints(self.prior, known, scores, points)
        flat = faiss.IndexFlatL2(known.shape[1])
        flat.add(known)
        centres = np.ascontiguousarray(known[::_EACH])
        self._centres: Any = _graph(centres)
        near = flat.search(centres, k)[1]
        checked = np.unique(np.linspace(0, len(known) - 1, _CHECKED).astype(np.intp))
        homes = self._centres.search(known[checked], 1)[1][:, 0]
        influence = coarse.influence(checked)
        projected = np.empty((len(centres), points))

        def neighbourhood(rows: slice) -> list[tuple[Neighbourhood, Values]]:
            return [near_by(centre) for centre in range(rows.start, rows.stop)]

        def near_by(centre: int) -> tuple[Neighbourhood, Values]:
            """A neighbourhood, and errors of those checked that are at home there, divided by their deviations."""
            one = near[centre]
            x = known[one].astype(np.float64)
            covariance = self.prior.covariance(x, x)
            through = coarse.projected[one]
            left = covariance - through @ through.T
            for matrix in (covariance, left):
                matrix[np.diag_indices(k)] += self.prior.noise
            factor, inner = inverse_factor(covariance), inverse_factor(left)
            weights = inner @ (inner.T @ coarse.left[one])
            projected[centre] = through.T @ weights
            # Leave one out, as where all count.
            precision = (inner**2).sum(axis=1)
            deviations = (factor**2).sum(axis=1) ** -0.5
            made = Neighbourhood.of(self.prior, x, weights, factor, weights / precision / deviations)
            # The same of what the inducing points know: without a score, the means at all points are others.
            own = np.flatnonzero(homes == centre)
            _, place, mine = np.intersect1d(one, checked[own], return_indices=True)
            each = range(len(place))
            moved = through @ influence[:, own[mine]]
            alone = coarse.left[one[place]] / (1 - moved[place, each])
            errors = (weights[place] + (inner @ (inner.T @ moved))[place, each] * alone) / precision[place]
            return made, errors / deviations[place] / made.scale

        made = [one for part in in_parts(neighbourhood, len(centres), 8) for one in part]
        scale = scale_of(np.concatenate([errors for _, errors in made]))
        self._near = [replace(one, scale=one.scale * scale) for one, _ in made]
        self._inducing = coarse.points
        weights = coarse.weights[:, None] - coarse.to_points(projected.T)
        self._weights = weights.astype(np.float32)  # of the inducing points, in each neighbourhood
        self._trend = (self.prior.linear * coarse.points.T @ weights).astype(np.float32)

    def estimate(self, queries: NDArray[np.float32]) -> tuple[Values, Values]:
        """`(n,)` scores, and `(n,)` standard deviations of scores not seen yet, noise included."""
        homes, order = self._homes(queries)
        means, deviations = np.empty(len(queries)), np.empty(len(queries))

        def estimate(rows: slice) -> None:
            places = order[rows]
            means[places], deviations[places] = self._estimate(queries[places], homes[places])

        part = _PART if self._inducing is not None else max(1, _SHARED // len(self._near[0].points))
        for _ in in_parts(estimate, len(queries), part):
            pass
        return means, deviations

    def _homes(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """`(n,)`: the neighbourhood of each query, and the order in which those of one follow one another."""
        if self._inducing is None:
            return np.zeros(len(queries), dtype=np.int64), np.arange(len(queries))
        homes = self._centres.search(queries, 1)[1][:, 0]
        return homes, np.argsort(homes, kind="stable")

    def _estimate(self, queries: NDArray[np.float32], homes: NDArray[np.int64]) -> tuple[Values, Values]:
        """Scores and deviations of queries in the order of their neighbourhoods."""
        means, deviations = self._far(queries, homes), np.empty(len(queries))
        for home, rows in _runs(homes):
            mean, deviation = self._near[home].estimate(queries[rows])
            means[rows] += mean
            deviations[rows] = self._near[home].scale * deviation
        return means, deviations

    def _far(self, queries: NDArray[np.float32], homes: NDArray[np.int64]) -> Values:
        """What the inducing points add to the means of queries in the order of their neighbourhoods."""
        means = np.zeros(len(queries))
        if self._inducing is not None:
            shared = self.prior.proximity(queries, self._inducing)
            for home, rows in _runs(homes):
                means[rows] = shared[rows] @ self._weights[:, home] + queries[rows] @ self._trend[:, home]
        return means

    def joined_by(self, points: NDArray[np.float32], scores: Values) -> Kriging:
        """The posterior given further points `(n, width)` and their scores `(n,)`, one after the other.

        Each joins the neighbourhood it is in; the inducing points and the scale of deviations stay as they are.
        """
        grown = copy(self)
        grown._near = list(self._near)
        homes, order = self._homes(points)
        left = scores[order] - self._far(points[order], homes[order])
        for row, score in zip(order, left, strict=True):
            grown._near[homes[row]] = grown._near[homes[row]].joined_by(points[row], float(score))
        return grown


def _runs(homes: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Each neighbourhood, and the rows of those that are in it, one after the other."""
    found, starts = np.unique(homes, return_index=True)
    yield from zip(found.tolist(), map(slice, starts, [*starts[1:], len(homes)]), strict=True)


def _graph(points: NDArray[np.float32]) -> Any:
    """An index that finds the point nearest to a query in time that grows with the logarithm of their number."""
    import faiss

    index = faiss.IndexHNSWFlat(points.shape[1], _LINKS)
    index.hnsw.efSearch = _LINKS
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # several would link the points in an order that changes from time to time
    try:
        index.add(points)
    finally:
        faiss.omp_set_num_threads(threads)
    return index
