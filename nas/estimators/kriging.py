"""Kriging: the best linear estimate from values known at points (Matheron 1963), from all of them or the nearest.

Scores have prior variance 1 from the proximities, `linear` times the squared length from a linear trend, and `noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.types import Values

Points = NDArray[np.floating[Any]]

_WITHIN = (0.6827, 0.9545)  # shares of a normal distribution within 1 and 2 standard deviations
_CHECKED = 256  # known points that are left out, one at a time, to scale deviations
_LEAST = 1e-300  # of the scores' squares: values that are all the same have none
_COMPARED = 1000  # known points by which noises are compared


@dataclass(frozen=True)
class Prior:
    """What is believed before any value is known.

    At distance d the proximity is (1 + (d / length)**2) ** -0.5: like the published weight 1/d far away, but finite
    near by.
    """

    length: float
    linear: float
    noise: float

    def proximity(self, queries: Points, known: Points) -> NDArray[Any]:
        """`(n, k)`: as one product of matrices, because whole spaces are queried."""
        scale = self.length**-2
        lengths = (known**2).sum(axis=1, keepdims=True) * scale
        right = np.concatenate([-2 * scale * known, 1 + lengths, np.ones_like(lengths)], axis=1)
        own = (queries**2).sum(axis=1, keepdims=True) * scale
        product: NDArray[Any] = np.concatenate([queries, np.ones_like(own), own], axis=1) @ right.T
        np.maximum(product, 1, out=product)
        np.sqrt(product, out=product)
        np.reciprocal(product, out=product)
        return product

    def covariance(self, queries: Points, known: Points) -> NDArray[Any]:
        """`(n, k)`: proximity and trend together, without noise."""
        result: NDArray[Any] = self.proximity(queries, known) + self.linear * queries @ known.T
        return result


def likeliest(prior: Prior, noises: Sequence[float], known: Points, scores: Values) -> tuple[Prior, float]:
    """The prior with the noise that makes all known scores, or as many of them as suffice, the likeliest, at any scale.

    The marginal likelihood (Rasmussen and Williams 2006, equation 2.30), at the best factor for the whole covariance.

    Returns:
        The prior, and minus the logarithm of the likelihood, less what is the same for all priors and points.
    """
    from scipy.linalg import solve_triangular

    compared = np.linspace(0, len(known) - 1, min(_COMPARED, len(known))).astype(np.intp)
    x, y = known[compared].astype(np.float64), scores[compared]
    covariance = prior.covariance(x, x)
    diagonal = np.diag(covariance).copy()

    def surprise(noise: float) -> float:
        np.fill_diagonal(covariance, diagonal + noise)
        factor = np.linalg.cholesky(covariance)
        squares = float((solve_triangular(factor, y, lower=True) ** 2).sum())
        return float(len(y) / 2 * np.log(max(squares, _LEAST)) + np.log(np.diag(factor)).sum())

    least, noise = min((surprise(noise), noise) for noise in noises)
    return replace(prior, noise=noise), least


def _inverse(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.linalg import cho_factor, lapack

    lower = lapack.dpotri(cho_factor(covariance, lower=True)[0], lower=1)[0]
    result: NDArray[np.float64] = np.tril(lower) + np.tril(lower, -1).T
    return result


class Kriging(Protocol):
    """An estimate, made from known points and their scores."""

    scale: float
    """The factor for deviations with which 68 % of the leave-one-out errors are within one, and 95 % within two."""

    def estimate(self, queries: NDArray[np.float32]) -> tuple[Values, Values]:
        """`(n,)` scores, and `(n,)` variances of scores not seen yet, noise included."""


def scale_of(errors: Values) -> float:
    """The factor for deviations (see `Kriging.scale`), given leave-one-out errors divided by their deviations."""
    return float(np.mean(np.quantile(np.abs(errors), _WITHIN) / (1, 2)))


class AllKnown:
    """Every known point counts, with weights that are computed once for all queries.

    Args:
        prior: what is believed before.
        known: `(k, width)` points.
        scores: `(k,)` their scores.
        rank: how many directions of the covariance the variance takes into account; what fewer than all miss, on
            average, is seen at the points `anywhere` `(m, width)`.
    """

    def __init__(self, prior: Prior, known: NDArray[np.float32], scores: Values, rank: int, anywhere: Points) -> None:
        from scipy.linalg import eigh

        self._prior, self._known = prior, known
        x = known.astype(np.float64)
        covariance = prior.covariance(x, x)
        covariance[np.diag_indices_from(covariance)] += prior.noise
        inverse = _inverse(covariance)
        weights = inverse @ scores
        # Leave one out: its residual is weights / diagonal, its variance 1 / diagonal (Rasmussen and Williams, 5.12).
        self.scale = scale_of(weights / np.sqrt(np.diag(inverse)))
        if len(x) <= 4 * rank:
            eigenvalues, vectors = (part[..., -rank:] for part in eigh(covariance))
        else:
            from scipy.sparse.linalg import eigsh

            eigenvalues, vectors = eigsh(covariance, rank, v0=np.ones(len(x)))
        directions = vectors / np.sqrt(eigenvalues)
        self._weights = np.column_stack([weights, directions]).astype(np.float32)
        self._trend = (prior.linear * x.T @ np.column_stack([weights, directions])).astype(np.float32)
        shared = prior.covariance(anywhere, x)
        self._missed = float(
            (((shared @ inverse) * shared).sum(axis=1) - ((shared @ directions) ** 2).sum(axis=1)).mean()
        )

    def estimate(self, queries: NDArray[np.float32]) -> tuple[Values, Values]:
        """`(n,)` scores and variances; see `Kriging`."""
        sums = self._prior.proximity(queries, self._known) @ self._weights + queries @ self._trend
        prior = 1 + self._prior.linear * (queries**2).sum(axis=1) + self._prior.noise
        return sums[:, 0].astype(np.float64), prior - (sums[:, 1:] ** 2).sum(axis=1) - self._missed


class NearestKnown:
    """The linear trend of all known points, and of what it leaves the kriging mean over each query's nearest.

    A Gaussian process in which each point depends on its nearest only (Datta et al. 2016), after a trend: what one
    fit costs grows in proportion to the known points, where with `AllKnown` it grows with their cube.

    Args:
        prior: what is believed before.
        known: `(n, width)` points, more than `k`.
        scores: `(n,)` their scores.
        k: how many of the nearest count.
    """

    def __init__(self, prior: Prior, known: NDArray[np.float32], scores: Values, k: int) -> None:
        import faiss

        self._prior, self._known, self._k = prior, known, k
        x = known.astype(np.float64)
        gram = prior.linear * x.T @ x
        gram[np.diag_indices_from(gram)] += 1 + prior.noise
        self._slopes = np.linalg.solve(gram, prior.linear * x.T @ scores)
        self._left = scores - x @ self._slopes
        self._index: Any = faiss.IndexFlatL2(known.shape[1])
        self._index.add(known)
        checked = np.linspace(0, len(known) - 1, min(_CHECKED, len(known))).astype(np.intp)
        near = self._index.search(known[checked], k + 1)[1]
        # The point itself goes, which another at the same place may keep from being the first, or from being there.
        order = np.argsort(near == checked[:, None], axis=1, kind="stable")[:, :k]
        estimated, variance = self._from(known[checked], np.take_along_axis(near, order, axis=1))
        self.scale = scale_of((scores[checked] - estimated) / np.sqrt(variance))

    def estimate(self, queries: NDArray[np.float32]) -> tuple[Values, Values]:
        """`(n,)` scores and variances; see `Kriging`."""
        return self._from(queries, self._index.search(queries, self._k)[1])

    def _from(self, queries: NDArray[np.float32], near: NDArray[np.int64]) -> tuple[Values, Values]:
        points = self._known[near].astype(np.float64)
        x = queries.astype(np.float64)

        def proximity(squared: NDArray[np.float64]) -> NDArray[np.float64]:
            return 1 / np.sqrt(1 + np.maximum(squared, 0) / self._prior.length**2)

        lengths = (points**2).sum(axis=2)
        among = proximity(lengths[:, :, None] + lengths[:, None] - 2 * points @ points.transpose(0, 2, 1))
        among[:, np.arange(self._k), np.arange(self._k)] = 1 + self._prior.noise
        to = proximity(((points - x[:, None]) ** 2).sum(axis=2))
        weights = np.linalg.solve(among, to[..., None])[..., 0]
        scores = x @ self._slopes + (weights * self._left[near]).sum(axis=1)
        return scores, 1 + self._prior.noise - (weights * to).sum(axis=1)
