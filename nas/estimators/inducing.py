"""The large scale of kriging: a posterior that is described at a fixed number of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas._means import centroids
from nas._threads import in_parts
from nas.estimators.prior import Prior
from nas.types import Values

_PART = 1 << 12  # known points at once
_JITTER = 1e-5  # of prior variances, for centroids that nearly coincide
_ROUNDS = 8  # of k-means
_SEEN = 32  # known points for each centroid, at most, that k-means sees


class InducingPoints:
    """The mean of a Gaussian process whose covariance goes through inducing points only.

    The deterministic training conditional (Quiñonero-Candela and Rasmussen 2005, section 5). The points are the
    centroids of the known ones by k-means (FAISS). One fit takes time in proportion to the known points.

    Args:
        prior: what is believed before.
        known: `(n, width)` points, more than `count`.
        scores: `(n,)` their scores.
        count: `m`, how many inducing points.
    """

    def __init__(self, prior: Prior, known: NDArray[np.float32], scores: Values, count: int) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self.points = centroids(known, count, rounds=_ROUNDS, seed=0, most=_SEEN)
        centres = self.points.astype(np.float64)
        covariance = prior.covariance(centres, centres)
        covariance[np.diag_indices(count)] += _JITTER
        self._factor = np.linalg.cholesky(covariance)
        self.projected = np.empty((len(known), count), dtype=np.float32)
        """`(n, m)`: the product of two of its rows is the covariance that goes through the inducing points."""
        squares, sums = self._project(prior, known, scores)
        squares[np.diag_indices(count)] += prior.noise
        self._posterior = cho_factor(squares, lower=True)
        solution = cho_solve(self._posterior, sums)
        self.weights = self.to_points(solution[:, None])[:, 0]
        """`(m,)`: of a query's covariances with the inducing points."""
        self.left: Values = scores - self.projected @ solution.astype(np.float32)
        """`(n,)`: the scores less the means."""

    def influence(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """`(m, r)`: times a row of `projected`, how much the mean there follows the score of a known point."""
        from scipy.linalg import cho_solve

        solved: NDArray[np.float64] = cho_solve(self._posterior, self.projected[rows].T.astype(np.float64))
        return solved.astype(np.float32)

    def to_points(self, projected: NDArray[np.float64]) -> NDArray[np.float64]:
        """`(m, c)`: weights of covariances with the inducing points, from those of projected ones."""
        from scipy.linalg import solve_triangular

        result: NDArray[np.float64] = solve_triangular(self._factor, projected, lower=True, trans="T")
        return result

    def _project(
        self, prior: Prior, known: NDArray[np.float32], scores: Values
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project the known points; return the `(m, m)` products of the columns, and `(m,)` those with the scores."""
        from scipy.linalg import blas

        factor = np.asfortranarray(self._factor, dtype=np.float32)

        def part(rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            shared = prior.covariance(known[rows], self.points)
            columns = blas.strsm(1.0, factor, shared.T, lower=1, overwrite_b=1)
            self.projected[rows] = columns.T
            return blas.ssyrk(1.0, columns, lower=1), columns @ scores[rows].astype(np.float32)

        squares = np.zeros(factor.shape)
        sums = np.zeros(len(factor))
        for square, row in in_parts(part, len(known), _PART):
            squares += square
            sums += row
        return squares, sums
