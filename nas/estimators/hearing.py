"""Estimates by what was observed of networks beside their graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.estimators.kriging import Kriging
from nas.estimators.listening import TOGETHER, Listening
from nas.estimators.prior import Points, Prior, surprises
from nas.types import Values

_COMPARED = 500  # known networks by which choices are compared
_MOST = 8  # choices whose estimates are averaged
_LEAST = 0.05  # as likely as the likeliest that a choice must be to count


@dataclass(frozen=True)
class _Choice:
    """A belief that may be taken, its surprise, and of what: known networks and those asked for, one row each."""

    surprise: float
    prior: Prior
    points: NDArray[np.float32]
    trends: NDArray[np.float64]


@dataclass(frozen=True)
class Hearing:
    """Known networks, what was observed of them, and what is believed of how that tells values.

    What was observed is heard twice: as coordinates, so that networks are near by which look alike, and in a trend of
    its own, as a final accuracy is a multiple of an early one and what the graph says of the rest (Kennedy and O'Hagan
    2000, equation 1). Estimates are made once it is known what is asked for, as those numbers tell of the known ones,
    too. In which form numbers are heard, with which weight, and what else is believed, is averaged over, as likely as
    each is by the known scores (Rasmussen and Williams 2006, 5.2); of several encoders, the likeliest of each form and
    weight is taken for all but the last.

    Args:
        priors: of which any may be.
        noises: of which any may be.
        weights: of the coordinates that are observed, of which any may be.
        trend: prior variance of the slope along each number, at least 0.
        listening: for each encoder that observes.
        points: `(k, width)` embeddings of the known networks.
        along: `(k,)` what scores rise with beside all else, times the deviation of that slope.
        scores: `(k,)`.
        anywhere: `(m, width)` embeddings, see `Kriging`.
        numbers: of `Kriging`: `points`, `k`, `rank`.
    """

    priors: Sequence[Prior]
    noises: Sequence[float]
    weights: Sequence[float]
    trend: float
    listening: Sequence[Listening]
    points: NDArray[np.float32]
    along: NDArray[np.floating[Any]]
    scores: Values
    anywhere: Points
    numbers: dict[str, int]

    def estimate(
        self, queries: NDArray[np.float32], along: NDArray[np.floating[Any]], observed: Sequence[NDArray[np.float32]]
    ) -> tuple[Values, Values]:
        """`(n,)` scores, and `(n,)` standard deviations of scores not seen yet, noise included.

        Args:
            queries: `(n, width)` embeddings.
            along: `(n,)` as that of the known networks.
            observed: `(n, columns)` of each encoder that observes.
        """
        parts = [slice(start, start + TOGETHER) for start in range(0, len(queries), TOGETHER)]
        made = [self._estimate(queries[part], along[part], [one[part] for one in observed]) for part in parts]
        return np.concatenate([mean for mean, _ in made]), np.concatenate([deviation for _, deviation in made])

    def _estimate(
        self, queries: NDArray[np.float32], along: NDArray[np.floating[Any]], observed: Sequence[NDArray[np.float32]]
    ) -> tuple[Values, Values]:
        choices = self.choices(queries, along, observed)
        likelihood = np.exp([choices[0].surprise - choice.surprise for choice in choices])
        means, deviations = np.stack([self._krige(choice) for choice in choices], axis=1)
        share = likelihood / likelihood.sum()
        mean = share @ means
        return mean, np.sqrt(share @ (deviations**2 + (means - mean) ** 2))

    def choices(
        self, queries: NDArray[np.float32], along: NDArray[np.floating[Any]], observed: Sequence[NDArray[np.float32]]
    ) -> list[_Choice]:
        """What may be believed, the likeliest first; no more than count."""
        points = np.concatenate([self.points, queries])
        trends = np.concatenate([self.along, along])[:, None].astype(np.float64)
        found: list[_Choice] = []
        for listening, numbers in zip(self.listening, observed, strict=True):
            if found:
                points, trends = found[0].points, found[0].trends
            forms = listening.coordinates(queries, numbers)
            found = sorted(self._compared(points, trends, forms), key=lambda choice: choice.surprise)
        most = _MOST if len(self.scores) <= self.numbers["points"] else 1
        return [one for one in found[:most] if one.surprise <= found[0].surprise - np.log(_LEAST)]

    def _compared(
        self, points: NDArray[np.float32], trends: NDArray[np.float64], forms: NDArray[np.float32]
    ) -> Iterator[_Choice]:
        """Each form and weight of further coordinates, with each prior and noise."""
        known = len(self.scores)
        for form in forms:
            more = np.hstack([trends, self.trend**0.5 * form])
            for weight in self.weights:
                x = np.hstack([points, np.float32(weight) * form])
                told = surprises(self.priors, self.noises, x[:known], self.scores, more[:known], _COMPARED)
                yield from (_Choice(surprise, prior, x, more) for surprise, prior in told)

    def _krige(self, choice: _Choice) -> NDArray[np.float64]:
        """`(2, n)`: scores and deviations of what is asked for."""
        known = len(self.scores)
        x, trends = choice.points[:known], choice.trends
        slopes = choice.prior.slopes(x, self.scores, trends[:known])
        heard = x[:, self.points.shape[1] :]
        sample = heard[np.arange(len(self.anywhere)) % known]  # for networks from anywhere nobody pays
        anywhere = np.hstack([self.anywhere, sample])
        kriging = Kriging(choice.prior, x, self.scores - trends[:known] @ slopes, **self.numbers, anywhere=anywhere)
        mean, deviation = kriging.estimate(choice.points[known:])
        return np.stack([mean + trends[known:] @ slopes, deviation])
