"""How the incumbent of a search rose, by evaluations or by parts of its budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.search import Search
from nas.types import Values

_POINTS = 100  # parts of a budget that is not of whole trainings


@dataclass(frozen=True)
class Course:
    """The incumbent at some points of a search.

    Attributes:
        unit: what is counted: `evaluations`, or `percent` of the budget.
        incumbents: `p` rows of trials, None where there was none yet. A trial that stopped early is none: to know what
            it is worth, its training has to be paid.
        cost: `(p,)` seconds of training so far, those of estimates included; NaN where unknown.
        observed: seconds of estimates at the last point.
        draws: `(p,)` how many whole trainings could have been paid so far, or None where that is unknown.
    """

    unit: str
    incumbents: list[int | None]
    cost: Values
    observed: float
    draws: list[int] | None
    counted: NDArray[np.intp] | None = None
    """Rows of trials that were trained to the end before a budget of seconds was spent; None: all that were."""
    last: int | None = None
    """The row of these that was the incumbent at the end; None: there is none."""

    @classmethod
    def of(cls, search: Search, stopped: bool = False) -> Course:
        """That of a search that has ended, or was `stopped` before its budget was spent."""
        trials = search.trials
        by_evaluations = search.spending.unit == "evaluations"
        if by_evaluations and not trials.events.partial.any():
            leaders = _leaders(trials.value)[len(trials) - trials.charged :]
            observed = float(trials.estimate_seconds[~trials.warm].sum())
            return cls("evaluations", leaders, np.cumsum(trials.charges), observed, list(range(1, len(leaders) + 1)))
        return _by_percent(search, stopped or search.used_up)

    def of_column(self, column: Values) -> list[float | None]:
        """What is known of the incumbent at each point, of `(n,)` numbers of all trials; None: unknown."""
        known = [None if row is None else float(column[row]) for row in self.incumbents]
        return [None if number is None or not np.isfinite(number) else number for number in known]


def _leaders(values: Values) -> list[int | None]:
    """After each evaluation the first row that has the best value; None until one succeeded."""
    best = np.fmax.accumulate(np.where(np.isnan(values), -np.inf, values))
    rises = np.flatnonzero(np.concatenate([best[:1] > -np.inf, best[1:] > best[:-1]]))
    place = np.searchsorted(rises, np.arange(len(values)), side="right") - 1
    return [int(rises[row]) if row >= 0 else None for row in place]


def _by_percent(search: Search, early: bool) -> Course:
    trials, events, budget, schedule = search.trials, search.trials.events, search.spending.budget, search.schedule
    assert budget is not None  # of a run
    own = ~trials.warm[events.rows]
    estimates = np.where(own & events.first, trials.estimate_seconds[events.rows], 0.0)
    cost = np.cumsum(np.where(own, np.nan_to_num(events.seconds) + estimates, 0.0))
    unknown = np.maximum.accumulate(own & np.isnan(events.seconds) & np.isfinite(events.value))
    clock = np.where(np.isnan(events.clock), cost, events.clock)
    spent = {
        "evaluations": np.cumsum(own & events.first),
        "epochs": np.cumsum(np.where(own, np.nan_to_num(events.trained(schedule.continues)), 0.0)),
        "seconds": np.maximum.accumulate(np.where(own, clock, 0.0)),
    }[budget.unit]
    competes = np.isfinite(events.value) & ~events.partial
    leaders = [None if place is None else int(events.rows[place])
               for place in _leaders(np.where(competes, events.value, np.nan))]  # fmt: skip
    points = budget.amount * np.arange(1, _POINTS + 1) / _POINTS
    if early:
        points = points[: max(int(np.searchsorted(points, spent[-1])), 1)]
    last = np.searchsorted(spent, points * (1 + 1e-12), side="right") - 1
    draws = None
    if budget.unit == "epochs":
        draws = [int(point // schedule.rungs[-1]) for point in points]
    costs, observed = np.where(unknown, np.nan, cost), np.cumsum(estimates)
    counted, incumbent = None, None
    if budget.unit == "seconds":
        in_time = spent <= budget.amount * (1 + 1e-12)
        counted = np.unique(events.rows[competes & in_time])
        incumbent = leaders[int(in_time.sum()) - 1] if in_time.any() else None
    return Course(
        "percent",
        [None if place < 0 else leaders[place] for place in last.tolist()],
        np.array([0.0 if place < 0 else costs[place] for place in last.tolist()]),
        float(observed[last[-1]]) if last[-1] >= 0 else 0.0,
        draws,
        counted,
        incumbent,
    )
