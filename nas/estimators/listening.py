"""What was observed of networks, as coordinates beside those of their graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.estimators.prior import Points, Prior, likeliest
from nas.estimators.target import RankNormal
from nas.types import Values

TOGETHER = 1 << 11
"""How many networks' numbers are smoothed together, and known ones beside them."""


@dataclass(frozen=True)
class Listening:
    """Normal scores of observed numbers, smoothed and as they are.

    An early accuracy is that of one short training; networks near by have similar ones, up to noise. So a score is
    smoothed: to its kriging mean at the network itself, of a Gaussian process over the embedding, given the scores of
    the known networks and of all that are asked for together, as Kennedy and O'Hagan (2000) do with a cheap
    measurement beside an expensive one. Which noise it has is told by all of them, too, of which there are more than
    of values. All that is used was paid for. What is heard so depends a little on what is asked for together: the more
    early accuracies are known, the better each is smoothed.

    A number that is not known, NaN as of a failed training, is what the others let expect, in either form.

    Args:
        prior: of a smooth score; its noise is not used.
        noises: of which each number has the likeliest.
        points: `(k, width)` embeddings of the known networks.
        observed: `(k, columns)` what was observed of them.
    """

    prior: Prior
    noises: Sequence[float]
    points: Points
    observed: NDArray[np.float32]

    def coordinates(self, points: Points, observed: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(2, k + n, columns)`: smoothed, and as they are, of mean squared length about 1; known networks first.

        Args:
            points: `(n, width)` embeddings of those that are asked for, `TOGETHER` at most.
            observed: `(n, columns)` what was observed of them.
        """
        known = len(self.points)
        used = np.linspace(0, known - 1, min(TOGETHER, known)).astype(np.intp)
        used = np.concatenate([used, np.arange(known, known + len(points))])
        x = np.concatenate([self.points, points]).astype(np.float64)
        numbers = np.concatenate([self.observed, observed]).astype(np.float64)
        forms = np.zeros((2, *numbers.shape))
        for column, number in enumerate(numbers.T):
            there = np.isfinite(number)
            if not there.any():
                continue
            score = RankNormal(number[there]).forward(number)
            smooth = self._smooth(x, score, used[there[used]])
            forms[:, :, column] = smooth, np.where(there, score, smooth)
        result: NDArray[np.float32] = (forms / numbers.shape[1] ** 0.5).astype(np.float32)
        return result

    def _smooth(self, x: NDArray[np.float64], score: Values, used: NDArray[np.intp]) -> Values:
        """`(k + n,)`: the kriging means at all points, given the scores of some."""
        from scipy.linalg import solve

        mixed = np.random.default_rng(0).permutation(used)  # known ones and those asked for tell of the noise alike
        noise = likeliest([self.prior], self.noises, x[mixed], score[mixed])[0].noise
        covariance = self.prior.covariance(x, x[used])
        noisy = covariance[used] + noise * np.eye(len(used))
        result: Values = covariance @ solve(noisy, score[used], assume_a="pos")
        return result
