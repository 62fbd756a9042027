"""Trainings that stop where the whole of them would not beat the incumbent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from nas.options import PositiveInt, validated
from nas.schedulers.base import Job, Standing, geometric
from nas.types import Prediction, Values

_RIDGE = 0.3  # whole trainings that a slope of 0 is worth, in the unit of standardised numbers
_PRIOR = 2.0  # whole trainings that the deviation of all whole values is worth, as that of the forecast


@validated
class Forecast:
    """On every rung a forecast of the whole training says whether a candidate goes on.

    The forecast is a Bayesian linear regression, on the whole trainings so far, of the value at the end on the value on
    the rung and on the surrogate's estimate: early epochs inform what the surrogate chose, and veto it. A training goes
    on where the probability that its end is above the incumbent is `chance` or more, the highest rungs first. The
    first `learn` candidates that do not fail go on to the end, for there is nothing to learn from before.

    Args:
        chance: above 0, below 1.
        learn: whole trainings before the first forecast, at least 3.
        eta: ratio of the epochs of two rungs, as near as the fidelities allow, above 1.
        first: epochs of the lowest rung, one of the fidelities; None: the least there is.
    """

    full = False

    def __init__(
        self,
        chance: Annotated[float, Gt(0), Lt(1)] = 0.2,
        learn: Annotated[int, Ge(3)] = 7,
        eta: Annotated[float, Gt(1)] = 2.0,
        first: PositiveInt | None = None,
    ) -> None:
        self.chance, self.learn, self.eta, self.first = chance, learn, eta, first

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """A geometric sequence."""
        return geometric(fidelities, self.eta, self.first)

    def next(self, standing: Standing) -> Job | None:
        """Let the most promising training go on, else begin a new candidate."""
        learned = int(standing.whole.sum()) >= self.learn
        for rung in range(len(standing.rungs) - 2, -1, -1):
            ready = np.flatnonzero(standing.may_go_on & (standing.level == rung))
            if not len(ready):
                continue
            if not learned:
                if (early := ready[np.cumsum(~standing.failed)[ready] <= self.learn]).size:
                    return standing.go_on(int(early[0]), rung + 1)
                continue
            hopes = self._chances(standing, rung, ready)
            if hopes.max() >= self.chance:
                return standing.go_on(int(ready[hopes.argmax()]), rung + 1)
        return standing.begin()

    def _chances(self, standing: Standing, rung: int, ready: NDArray[np.intp]) -> Values:
        """`(m,)`: the probability of each to end above the incumbent."""
        from scipy.special import ndtr

        forecast = forecast_of(standing, rung, ready)
        assert forecast.std is not None
        chances: Values = ndtr((forecast.mean - np.nanmax(standing.at[:, -1])) / forecast.std)
        return chances


def forecast_of(standing: Standing, rung: int, rows: NDArray[np.intp]) -> Prediction:
    """What whole trainings of some trials `(m,)` on a rung would give; at least 2 whole trainings must be known."""
    known = np.flatnonzero(standing.whole & np.isfinite(standing.at[:, rung]))
    end = standing.at[known, -1] if len(known) else standing.at[standing.whole, -1]
    mean, deviation = float(end.mean()), float(end.std()) + 1e-9
    inputs = _standardised(np.stack([standing.at[:, rung], standing.predicted], axis=1), known)
    x, y = inputs[known], (standing.at[known, -1] - mean) / deviation
    precision = x.T @ x + _RIDGE * np.eye(x.shape[1])
    slopes = np.linalg.solve(precision, x.T @ y)
    variance = (((y - x @ slopes) ** 2).sum() + _PRIOR) / (len(known) + _PRIOR)
    asked = inputs[rows]
    spread = 1 + 1 / max(len(known), 1) + np.einsum("ij,ji->i", asked, np.linalg.solve(precision, asked.T))
    return Prediction(mean + deviation * (asked @ slopes), deviation * np.sqrt(variance * spread))


def _standardised(inputs: NDArray[np.float64], known: NDArray[np.intp]) -> NDArray[np.float64]:
    """Columns of mean 0 and deviation 1 over the known rows; what is unknown is as the mean."""
    there = np.isfinite(inputs)
    counts = np.maximum(there[known].sum(axis=0), 1)
    centred = np.where(there, inputs - np.where(there, inputs, 0)[known].sum(axis=0) / counts, 0.0)
    deviation = np.sqrt((centred[known] ** 2).sum(axis=0) / counts)
    result: NDArray[np.float64] = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)
    return result
