"""What was observed of networks, as coordinates beside those of their graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.estimators.prior import Points, Prior, likeliest
from nas.estimators.target import RankNormal
from nas.types import Values

_TOGETHER = 1 << 11  # networks whose numbers are smoothed together, and known ones beside them


class Listening:
    """Normal scores of observed numbers, smoothed and as they are.

    An early accuracy is that of one short training; networks near by have similar ones, up to noise. So a score is
    smoothed: to its kriging mean at the network itself, of a Gaussian process over the embedding, given the scores of
    the known networks and of all that are asked for together, as Kennedy and O'Hagan (2000) do with a cheap
    measurement beside an expensive one. All that is used was paid for. An estimate so depends a little on what it is
    asked for with: the more early accuracies are known, the better each is smoothed.

    A number that is not known, NaN as of a failed training, is what the others let expect, in either form.

    Args:
        prior: of a smooth score; its noise is not used.
        noises: of which each number has the likeliest.
        points: `(n, width)` embeddings of the known networks.
        observed: `(n, columns)` what was observed of them.
    """

    def __init__(self, prior: Prior, noises: Sequence[float], points: Points, observed: NDArray[np.float32]) -> None:
        known = [column[np.isfinite(column)].astype(np.float64) for column in observed.T]
        self._scales = [RankNormal(column if len(column) else np.zeros(1)) for column in known]
        self._points, self._scores = points[:0], np.empty((0, len(known)))
        scores = self._scored(observed)
        self._priors = []
        for column in scores.T:
            there = np.isfinite(column)
            self._priors.append(likeliest([prior], noises, points[there], column[there])[0] if there.any() else prior)
        self.known = self.coordinates(points, observed)
        """The coordinates of the known networks."""
        kept = np.linspace(0, len(points) - 1, min(_TOGETHER, len(points))).astype(np.intp)
        self._points, self._scores = points[kept], scores[kept]

    def coordinates(self, points: Points, observed: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(2, n, columns)`: smoothed, and as they are, of mean squared length 1 among the known networks.

        Args:
            points: `(n, width)` embeddings.
            observed: `(n, columns)` what was observed.
        """
        scores = self._scored(observed)
        smooth = np.empty_like(scores)
        for start in range(0, len(points), _TOGETHER):
            rows = slice(start, start + _TOGETHER)
            x = np.concatenate([self._points, points[rows]]).astype(np.float64)
            y = np.concatenate([self._scores, scores[rows]])
            for column, prior in enumerate(self._priors):
                smooth[rows, column] = _smooth(prior, x, y[:, column])[len(self._points) :]
        forms = np.stack([smooth, np.where(np.isfinite(scores), scores, smooth)])
        result: NDArray[np.float32] = (forms / observed.shape[1] ** 0.5).astype(np.float32)
        return result

    def _scored(self, observed: NDArray[np.float32]) -> NDArray[np.float64]:
        columns = [scale.forward(column) for scale, column in zip(self._scales, observed.T, strict=True)]
        return np.column_stack(columns)


def _smooth(prior: Prior, x: NDArray[np.float64], scores: Values) -> Values:
    """`(n,)`: the kriging means at the points themselves, given those scores that are no NaN."""
    from scipy.linalg import solve

    known = np.isfinite(scores)
    if not known.any():
        return np.zeros(len(x))
    covariance = prior.covariance(x, x[known])
    noisy = covariance[known] + prior.noise * np.eye(known.sum())
    result: Values = covariance @ solve(noisy, scores[known], assume_a="pos")
    return result
