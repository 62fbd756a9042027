"""When a search ends before its budget is spent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.acquisition import expected_improvement
from nas.errors import UserError
from nas.options import Positive, PositiveInt, validated
from nas.search.search import Search
from nas.search.trials import Trials
from nas.types import Prediction, Values

LAST = 20  # evaluations, of which what they were expected to bring is averaged


@validated
@dataclass(frozen=True)
class Stop:
    """Limits, of which the first that is reached ends a search; null: no limit.

    Args:
        improvement: of the value, above 0: the last 20 evaluations were expected to improve the best by less, in the
            mean, their estimates taken as normal (Jones et al. 1998). It needs standard deviations.
        patience: evaluations since the last that was better than all before, at least 1.
        wall_seconds: of the whole run, the parts before included, above 0.
        training_seconds: of all evaluations, and of what was paid to observe candidates, above 0.

    Raises:
        OptionError: a number is out of its range.
    """

    improvement: Positive | None = None
    patience: PositiveInt | None = None
    wall_seconds: Positive | None = None
    training_seconds: Positive | None = None

    def reason(self, search: Search, wall: float) -> str | None:
        """Why a search that has taken so many seconds ends now, as a clause; None: it does not.

        Raises:
            UserError: training seconds are limited, but an evaluation that succeeded does not say what it took.
        """
        trials = search.trials
        if not trials.charged:  # a run has something to report
            return None
        spent = 0.0 if self.training_seconds is None else self._training(trials)
        since = _since(trials)
        if self.wall_seconds is not None and wall >= self.wall_seconds:
            return f"it has taken {wall:,.0f} s (stop.wall_seconds)"
        if self.training_seconds is not None and spent >= self.training_seconds:
            return f"training has taken {spent:,.0f} s (stop.training_seconds)"
        if self.patience is not None and since >= self.patience:
            return f"nothing better was found in {since} evaluations (stop.patience)"
        if self.improvement is not None and (expected := _expected(trials, search.values)) < self.improvement:
            return f"evaluations are expected to improve the best by {expected:.2g} (stop.improvement)"
        return None

    def _training(self, trials: Trials) -> float:
        """Seconds of all evaluations of this search; what failed without telling took none."""
        unknown = np.isnan(trials.charges) & np.isfinite(trials.value[~trials.warm])
        if unknown.any():
            raise UserError(
                f"stop.training_seconds is {self.training_seconds:g}, but the training seconds of {unknown.sum()} of "
                f"{trials.charged} evaluations are unknown: use stop.wall_seconds or stop.patience"
            )
        return float(np.nansum(trials.charges))


def _since(trials: Trials) -> int:
    """How many trials have begun since the incumbent was found; 0 as long as none was trained to the end."""
    best = trials.best
    if best is None or best.partial:
        return 0
    first = trials.events.first
    found = int(np.flatnonzero(trials.events.rows == best.step)[-1])
    return int((first[found + 1 :] & ~trials.warm[trials.events.rows[found + 1 :]]).sum())


def _expected(trials: Trials, values: Values) -> float:
    """What the last evaluations were expected to improve the best by, in the mean; infinite where they are too few."""
    last = np.flatnonzero(np.isfinite(trials.predicted_std) & ~trials.warm)[-LAST:]
    if len(last) < LAST:
        return np.inf
    before = np.fmax.accumulate(values)[last - 1]
    estimates = Prediction(trials.predicted_mean[last], trials.predicted_std[last])
    return float(expected_improvement(estimates, before).mean())
