"""What an estimator learns of the values: a monotone map to scores, and back."""

from __future__ import annotations

import numpy as np

from nas.types import Values


class RankNormal:
    """The monotone map that gives known values a standard normal distribution, and its inverse.

    The value of rank r of n (ties share their mean rank) gets the score ndtri((r - 0.5) / n). Between known values the
    map is linear; beyond them it goes on with the slope of the outer tenth.

    Args:
        values: `(n,)` finite.
        even: 0 to 1: the share of evenly spaced scores of the same deviation in the scores, which are then less far
            apart at either end.
    """

    def __init__(self, values: Values, even: float = 0.0) -> None:
        from scipy.special import ndtri

        self._values, rank, count = np.unique(values, return_inverse=True, return_counts=True)
        shared = np.cumsum(count) - (count - 1) / 2  # the mean rank of each distinct value, from 1
        place = (shared - 0.5) / len(values)
        self._scores: Values = (1 - even) * ndtri(place) + even * 12**0.5 * (place - 0.5)
        self.scores: Values = self._scores[rank]
        """`(n,)`: the scores of the known values."""
        last = len(self._values) - 1
        step = max(1, last // 10)
        if last:
            inner = np.array([step, last - step])
            outer = np.array([0, last])
            rise = self._values[outer] - self._values[inner]
            self._slopes = rise / (self._scores[outer] - self._scores[inner])
        else:
            self._slopes = np.zeros(2)

    def forward(self, values: Values) -> Values:
        """`(n,)`: the scores of other values; beyond the known ones, those of the least and the greatest."""
        return np.interp(values, self._values, self._scores)

    def inverse(self, scores: Values) -> Values:
        """`(n,)`: the values that have these scores."""
        low, high = np.minimum(scores - self._scores[0], 0), np.maximum(scores - self._scores[-1], 0)
        result: Values = np.interp(scores, self._scores, self._values)
        result += low * self._slopes[0] + high * self._slopes[1]
        return result

    def spread(self, scores: Values, deviation: Values) -> Values:
        """`(n,)`: half the width, in values, of the scores within one deviation."""
        width: Values = self.inverse(scores + deviation) - self.inverse(scores - deviation)
        return width / 2


class Standard:
    """Values less their mean, in units of their deviation; the same interface as `RankNormal`.

    Args:
        values: `(n,)` finite.
    """

    def __init__(self, values: Values) -> None:
        self._mean, self._deviation = float(values.mean()), float(values.std()) or 1.0
        self.scores: Values = (values - self._mean) / self._deviation
        """`(n,)`: the scores of the known values."""

    def inverse(self, scores: Values) -> Values:
        """`(n,)`: the values that have these scores."""
        return self._mean + self._deviation * scores

    def spread(self, scores: Values, deviation: Values) -> Values:
        """`(n,)`: the deviation in values."""
        return self._deviation * deviation


TARGETS: dict[str, type[RankNormal] | type[Standard]] = {"normal": RankNormal, "standard": Standard}
"""By the names that options give them."""
