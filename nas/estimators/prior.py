"""What kriging believes before any value is known, and which belief makes the known values the likeliest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.types import Values

Points = NDArray[np.floating[Any]]

_LEAST = 1e-300  # of the scores' squares: values that are all the same have none
_COMPARED = 1000  # known points by which priors are compared


@dataclass(frozen=True)
class Prior:
    """What is believed before any value is known.

    Scores have variance 1 from the proximities, `linear` times the squared length from a linear trend, and `noise`.
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

    def slope(self, known: Points, scores: Values, along: Points, mean: float, deviation: float) -> float:
        """By how much scores rise with a number `along` `(n,)` that is told of each known point, beside all else.

        The posterior mean of its coefficient (Rasmussen and Williams 2006, 2.7), which was expected to be `mean`,
        within `deviation`, above 0; at the likeliest scale, from as many known points as suffice.
        """
        from scipy.linalg import cho_factor, cho_solve

        some = _compared(known)
        x, y, z = known[some].astype(np.float64), scores[some], along[some].astype(np.float64)
        covariance = self.covariance(x, x)
        covariance[np.diag_indices_from(covariance)] += self.noise
        left = y - mean * z
        solved = cho_solve(cho_factor(covariance, lower=True), np.column_stack([left, z]))
        variance = max(float(left @ solved[:, 0]), _LEAST) / len(y)
        return mean + float(z @ solved[:, 0]) / (float(z @ solved[:, 1]) + variance / deviation**2)

    def slopes(self, known: Points, scores: Values, trends: NDArray[np.float64]) -> Values:
        """`(c,)`: by how much scores rise along each of `(k, c)` trends; a slope was expected to be 0, within 1.

        Their posterior mean (Rasmussen and Williams 2006, 2.7), from as many known points as suffice. What scores
        `(k,)` then leave has the covariance of the points.
        """
        from scipy.linalg import solve

        some = _compared(known)
        x, along = known[some].astype(np.float64), trends[some]
        covariance = self.covariance(x, x) + along @ along.T
        covariance[np.diag_indices_from(covariance)] += self.noise
        result: Values = along.T @ solve(covariance, scores[some], assume_a="pos")
        return result


def likeliest(priors: Sequence[Prior], noises: Sequence[float], known: Points, scores: Values) -> tuple[Prior, float]:
    """The prior and its noise that make all known scores, or as many of them as suffice, the likeliest, at any scale.

    Returns:
        The prior, and its surprise: see `surprises`.
    """
    least, best = min(surprises(priors, noises, known, scores), key=lambda one: one[0])
    return best, least


def surprises(
    priors: Sequence[Prior],
    noises: Sequence[float],
    known: Points,
    scores: Values,
    trends: NDArray[np.float64] | None = None,
    most: int = _COMPARED,
) -> Iterator[tuple[float, Prior]]:
    """How little each prior, with each noise, let expect known scores, or as many of them as suffice, at any scale.

    The marginal likelihood (Rasmussen and Williams 2006, equation 2.30), at the best factor for the whole covariance.

    Args:
        priors: with any noise.
        noises: of each prior.
        known: `(k, width)`.
        scores: `(k,)`.
        trends: `(k, c)` along which scores may rise or fall, each times the deviation of its slope.
        most: how many known scores suffice.

    Yields:
        Minus the logarithm of the likelihood, less what is the same for all priors and points, and the prior.
    """
    from scipy.linalg import solve_triangular

    some = _compared(known, most)
    x, y = known[some].astype(np.float64), scores[some]
    for prior in priors:
        covariance = prior.covariance(x, x)
        if trends is not None:
            covariance += trends[some] @ trends[some].T
        diagonal = np.diag(covariance).copy()
        for noise in noises:
            np.fill_diagonal(covariance, diagonal + noise)
            factor = np.linalg.cholesky(covariance)
            squares = float((solve_triangular(factor, y, lower=True) ** 2).sum())
            surprise = len(y) / 2 * np.log(max(squares, _LEAST)) + np.log(np.diag(factor)).sum()
            yield float(surprise), replace(prior, noise=noise)


def _compared(known: Points, most: int = _COMPARED) -> NDArray[np.intp]:
    return np.linspace(0, len(known) - 1, min(most, len(known))).astype(np.intp)
