"""A regressor whose numbers are chosen by cross-validation."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, MaxLen, MinLen
from numpy.typing import NDArray

from nas.errors import OptionError
from nas.options import Natural, PositiveInt, validated
from nas.types import Values

_LOGARITHMIC = 100.0  # a range so many times as wide as its beginning is searched by orders of magnitude

Range = Annotated[Sequence[int | float], MinLen(2), MaxLen(2)]
Setting = dict[str, Any]


@validated
class Tuned:
    """The best of random settings of a regressor, on standardised features.

    A setting is scored by Kendall's tau of estimates for values that were left out, mean over the folds. With fewer
    than five known values nothing can be left out: the first setting is taken.

    Args:
        regressor: scikit-learn's, or one with its `get_params` and `set_params`.
        ranges: least and greatest of each number that is drawn, by name; uniform, or by order of magnitude where the
            greatest is at least 100 times the least. Between whole numbers all are whole.
        choices: what is drawn from a list, by name, each as likely; None: nothing.
        draws: settings, at least 1.
        folds: parts that are left out in turn, at least 2; fewer, where fewer values are known.
        random_state: 0 or more.

    Raises:
        OptionError: a number is out of its range, a range is none, nothing is to be chosen from, or the regressor has
            no such parameter.
    """

    def __init__(
        self,
        regressor: Any,
        ranges: Mapping[str, Range],
        choices: Mapping[str, Annotated[Sequence[Any], MinLen(1)]] | None = None,
        *,
        draws: PositiveInt = 100,
        folds: Annotated[int, Ge(2)] = 3,
        random_state: Natural = 0,
    ) -> None:
        self.regressor, self.ranges, self.choices = regressor, dict(ranges), dict(choices or {})
        self.draws, self.folds, self.random_state = draws, folds, random_state
        self.gives_std = "return_std" in inspect.signature(regressor.predict).parameters
        """Whether `predict` can give deviations: whether the regressor's can."""
        has = regressor.get_params()
        for option, drawn in {"ranges": self.ranges, "choices": self.choices}.items():
            for name in drawn:
                if name not in has:
                    raise OptionError(f"{option}.{name}", f"is unknown, the regressor has {', '.join(has)}")
        for name, (low, high) in self.ranges.items():
            if low > high:
                raise OptionError(f"ranges.{name}", f"is [{low}, {high}], must be the least and the greatest")

    def fit(self, x: NDArray[Any], y: Values) -> Tuned:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        self._mean, deviation = x.mean(axis=0), x.std(axis=0)
        self._scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        scaled = (x - self._mean) * self._scale
        rng = np.random.default_rng([self.random_state, len(y)])
        folds = np.array_split(rng.permutation(len(y)), min(self.folds, len(y)))
        settings = [self._setting(rng) for _ in range(self.draws)]
        best = max(settings, key=lambda setting: self._score(setting, scaled, y, folds)) if len(y) > 4 else settings[0]
        self._model = self._with(best).fit(scaled, y)
        return self

    def _setting(self, rng: np.random.Generator) -> Setting:
        drawn = {name: _draw(low, high, rng) for name, (low, high) in self.ranges.items()}
        return drawn | {name: several[int(rng.integers(len(several)))] for name, several in self.choices.items()}

    def _with(self, setting: Setting) -> Any:
        from sklearn.base import clone

        return clone(clone(self.regressor).set_params(**setting))  # made anew, so that its constructor checks them

    def _score(self, setting: Setting, x: NDArray[Any], y: Values, folds: list[NDArray[np.intp]]) -> float:
        from scipy.stats import kendalltau

        taus = []
        for out in folds:
            kept = np.setdiff1d(np.arange(len(y)), out)
            estimates = self._with(setting).fit(x[kept], y[kept]).predict(x[out])
            taus.append(kendalltau(estimates, y[out]).statistic if np.ptp(estimates) and np.ptp(y[out]) else 0.0)
        return float(np.mean(taus))

    def predict(self, x: NDArray[Any], return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations where the regressor gives them."""
        scaled = (x - self._mean) * self._scale
        return self._model.predict(scaled, return_std=True) if return_std else self._model.predict(scaled)


def _draw(low: float, high: float, rng: np.random.Generator) -> float:
    whole = isinstance(low, int) and isinstance(high, int)
    least, most = (low - 0.5, high + 0.5) if whole else (low, high)
    if low > 0 and high / low >= _LOGARITHMIC:
        drawn = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    else:
        drawn = float(rng.uniform(least, most))
    return min(max(round(drawn), low), high) if whole else drawn
