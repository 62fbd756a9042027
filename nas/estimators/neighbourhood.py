"""What known points say of a query: its kriging mean and variance (Matheron 1963)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.estimators.prior import Points, Prior
from nas.types import Values

_WITHIN = (0.6827, 0.9545)  # shares of a normal distribution within 1 and 2 standard deviations


@dataclass(frozen=True)
class Neighbourhood:
    """Known points, and what their proximities to a query are multiplied by.

    The first of the columns gives the mean. The variance is the prior's, less the squares of what the others give, less
    `missed`.
    """

    prior: Prior
    points: NDArray[np.float32]
    """`(k, width)`."""
    columns: NDArray[np.float32]
    """`(k, 1 + rank)`."""
    trend: NDArray[np.float32]
    """`(width, 1 + rank)`: the trend's share, by which the query itself is multiplied."""
    missed: float = 0.0
    scale: float = 1.0
    """The factor for deviations with which 68 % of the leave-one-out errors are within one, 95 % within two."""

    @classmethod
    def of(
        cls,
        prior: Prior,
        points: Points,
        weights: Values,
        factor: NDArray[np.float64],
        errors: Values,
        missed: float = 0.0,
    ) -> Neighbourhood:
        """From the weights `(k,)` of the mean, a factor `(k, rank)` of the inverse covariance, and what follows.

        Args:
            errors: `(k,)` leave-one-out errors, divided by their deviations.
        """
        columns = np.column_stack([weights, factor])
        trend = prior.linear * points.T.astype(np.float64) @ columns
        narrow = points.astype(np.float32), columns.astype(np.float32), trend.astype(np.float32)
        return cls(prior, *narrow, missed, scale_of(errors))

    def estimate(self, queries: NDArray[np.float32]) -> tuple[Values, Values]:
        """`(n,)` means, and `(n,)` deviations of scores not seen yet, noise included, before they are scaled."""
        sums = self.prior.proximity(queries, self.points) @ self.columns + queries @ self.trend
        own = 1 + self.prior.linear * (queries**2).sum(axis=1) + self.prior.noise
        variance = own - (sums[:, 1:] ** 2).sum(axis=1) - self.missed
        return sums[:, 0].astype(np.float64), np.sqrt(np.maximum(variance, self.prior.noise))

    def joined_by(self, point: NDArray[np.float32], score: float) -> Neighbourhood:
        """The posterior given one more point `(width,)` and its score.

        The inverse covariance grows by a row and a column (Rasmussen and Williams 2006, A.12), its factor likewise.
        """
        shared = self.prior.covariance(point[None], self.points)[0]
        mean, *inner = shared @ self.columns
        own = 1 + self.prior.linear * float(point @ point) + self.prior.noise
        deviation = max(own - float(np.square(inner).sum()) - self.missed, self.prior.noise) ** 0.5
        gains = self.columns[:, 1:] @ np.array(inner, dtype=np.float32)
        weight = (score - float(mean)) / deviation**2
        points = np.concatenate([self.points, point[None]])
        columns = np.zeros((len(points), self.columns.shape[1] + 1), dtype=np.float32)
        columns[:-1, :-1] = self.columns
        columns[:-1, 0] -= gains * np.float32(weight)
        columns[:-1, -1] = gains / np.float32(-deviation)
        columns[-1, [0, -1]] = weight, 1 / deviation
        trend = np.column_stack([self.trend, self.trend[:, 0]])
        trend[:, [0, -1]] = self.prior.linear * points.T @ columns[:, [0, -1]]
        return replace(self, points=points, columns=columns, trend=trend)


def scale_of(errors: Values) -> float:
    """The factor for deviations (see `Neighbourhood.scale`), given leave-one-out errors divided by their deviations."""
    return float(np.mean(np.quantile(np.abs(errors), _WITHIN) / (1, 2)))


def exact(prior: Prior, known: Points, scores: Values, rank: int, anywhere: Points) -> Neighbourhood:
    """The posterior given all known points `(k, width)` and scores `(k,)`.

    The variance takes `rank` directions of the covariance into account; what they miss, on average, is seen at the
    points `anywhere` `(m, width)`.
    """
    x = known.astype(np.float64)
    covariance = prior.covariance(x, x)
    covariance[np.diag_indices_from(covariance)] += prior.noise
    inverse = _inverse(covariance)
    weights = inverse @ scores
    eigenvalues, vectors = _largest(covariance, rank)
    directions = vectors / np.sqrt(eigenvalues)
    shared = prior.covariance(anywhere, x)
    missed = float((((shared @ inverse) * shared).sum(axis=1) - ((shared @ directions) ** 2).sum(axis=1)).mean())
    # Leave one out: its residual is weights / diagonal, its variance 1 / diagonal (Rasmussen and Williams, 5.12).
    errors = weights / np.sqrt(np.diag(inverse))
    return Neighbourhood.of(prior, known, weights, directions, errors, missed)


def inverse_factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(k, k)`: upper triangular, times its transpose the inverse."""
    from scipy.linalg import cholesky, lapack

    result: NDArray[np.float64] = lapack.dtrtri(cholesky(covariance, lower=True), lower=1)[0].T
    return result


def _largest(covariance: NDArray[np.float64], rank: int) -> tuple[Values, NDArray[np.float64]]:
    from scipy.linalg import eigh

    if len(covariance) <= 4 * rank:
        values, vectors = eigh(covariance)
        return values[-rank:], vectors[:, -rank:]
    from scipy.sparse.linalg import eigsh

    values, vectors = eigsh(covariance, rank, v0=np.ones(len(covariance)))
    return values, vectors


def _inverse(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import cho_factor, lapack

    lower = lapack.dpotri(cho_factor(covariance, lower=True)[0], lower=1)[0]
    result: NDArray[np.float64] = np.tril(lower) + np.tril(lower, -1).T
    return result
