"""A regressor whose numbers are chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from nas.options import Natural, PositiveInt, validated
from nas.types import Values

_LOGARITHMIC = 100.0  # a range so many times as wide as its beginning is searched by orders of magnitude


@validated
class Tuned:
    """The best of random settings of a regressor, on standardised features.

    A setting is scored by Kendall's tau of estimates for values that were left out, mean over the folds.

    Args:
        regressor: scikit-learn's, or one with its `set_params`.
        ranges: least and greatest of each number that is drawn, by name; uniform, or by order of magnitude where the
            range is wide.
        draws: settings, at least 1.
        folds: parts that are left out in turn, at least 2; fewer, where fewer values are known.
        random_state: 0 or more.
    """

    def __init__(
        self,
        regressor: Any,
        ranges: Mapping[str, Sequence[float]],
        *,
        draws: PositiveInt = 100,
        folds: Annotated[int, Ge(2)] = 3,
        random_state: Natural = 0,
    ) -> None:
        self.regressor, self.ranges = regressor, dict(ranges)
        self.draws, self.folds, self.random_state = draws, folds, random_state

    def fit(self, x: NDArray[Any], y: Values) -> Tuned:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        self._mean, deviation = x.mean(axis=0), x.std(axis=0)
        self._scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        scaled = (x - self._mean) * self._scale
        rng = np.random.default_rng([self.random_state, len(y)])
        folds = np.array_split(rng.permutation(len(y)), min(self.folds, len(y)))
        settings = [
            {name: _draw(bounds[0], bounds[1], rng) for name, bounds in self.ranges.items()} for _ in range(self.draws)
        ]
        best = max(settings, key=lambda setting: self._score(setting, scaled, y, folds)) if len(y) > 4 else settings[0]
        self._model = self._with(best).fit(scaled, y)
        return self

    def _with(self, setting: Mapping[str, float]) -> Any:
        return deepcopy(self.regressor).set_params(**setting)

    def _score(self, setting: Mapping[str, float], x: NDArray[Any], y: Values, folds: list[NDArray[np.intp]]) -> float:
        from scipy.stats import kendalltau

        taus = []
        for out in folds:
            kept = np.setdiff1d(np.arange(len(y)), out)
            estimates = self._with(setting).fit(x[kept], y[kept]).predict(x[out])
            taus.append(kendalltau(estimates, y[out]).statistic if np.ptp(estimates) and np.ptp(y[out]) else 0.0)
        return float(np.mean(taus))

    def predict(self, x: NDArray[Any]) -> Any:
        """Estimate `(n,)`."""
        return self._model.predict((x - self._mean) * self._scale)


def _draw(low: float, high: float, rng: np.random.Generator) -> float:
    if low > 0 and high / low >= _LOGARITHMIC:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(rng.uniform(low, high))
