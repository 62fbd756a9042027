"""How long the candidates of a search are trained, and what a value of less than a whole training stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.schedulers import Full, Job, Scheduler, Standing
from nas.search.phases import Phases
from nas.search.trials import Trials
from nas.types import Evaluator, Values

if TYPE_CHECKING:
    from nas.search.spending import Spending

_AS_IT_IS = 2.0  # pairs of values that a slope of 1 from one rung to the next is worth


@dataclass(frozen=True)
class Schedule:
    """A scheduler on the fidelities of an evaluator.

    Attributes:
        scheduler: decides.
        rungs: epochs after which trainings stop, ascending, the last being the whole training; empty: it is not known
            how many those are, and every training is whole.
        continues: whether a training goes on from where it stopped.
        slots: how many candidates are measured at once.
    """

    scheduler: Scheduler = field(default_factory=Full)
    rungs: tuple[int, ...] = ()
    continues: bool = True
    slots: int = 1

    @classmethod
    def of(cls, scheduler: Scheduler, evaluator: Evaluator) -> Schedule:
        """Put a scheduler on an evaluator's fidelities.

        Raises:
            UserError: the evaluator does not have what the scheduler needs.
        """
        fidelities = getattr(evaluator, "fidelities", ())  # an evaluator of the user's may not say
        continues = getattr(evaluator, "continues", True)
        return cls(scheduler, scheduler.rungs(fidelities), continues, evaluator.slots)

    def next(self, spending: Spending, new: bool, phases: Phases) -> Job | None:
        """What the scheduler says, given what is known, what is spent, and whether a new candidate may begin."""
        if self.scheduler.full:
            return self.scheduler.next(self.standing(spending, new))
        with phases("schedule"):
            return self.scheduler.next(self.standing(spending, new))

    def standing(self, spending: Spending, new: bool = True) -> Standing:
        """How a search stands on the rungs; see `nas.schedulers.Standing`."""
        if self.scheduler.full:  # it looks at nothing else
            return Standing.empty(self.rungs, new)
        trials, at = spending.trials, self.measured(spending.trials)
        failed = np.isnan(trials.value)
        may_go_on = trials.partial & ~failed
        may_go_on[[one.step for one in spending.pending if one.step is not None]] = False
        running = [(one.bracket, self.rungs.index(one.until or self.rungs[-1]), one.step) for one in spending.pending]
        return Standing(
            self.rungs, at, _level(at), may_go_on, failed, trials.brackets, trials.predicted_mean, running, new,
            spending.left, spending.epoch, self.continues,
            self.slots if spending.unit == "seconds" else 1,
        )  # fmt: skip

    def until(self, trials: Trials, row: int) -> int | None:
        """The rung that a trial which failed was on its way to."""
        return None if self.scheduler.full else self.rungs[int(_level(self.measured(trials))[row]) + 1]

    def measured(self, trials: Trials) -> NDArray[np.float64]:
        """`(n, rungs)`: the value of each trial on each rung, NaN where there is none."""
        events = trials.events
        at = np.full((len(trials), len(self.rungs)), np.nan)
        partial = np.searchsorted(self.rungs, np.where(events.partial, events.epochs, self.rungs[-1]))
        seen = np.flatnonzero(np.isfinite(events.value))
        at[events.rows[seen], np.minimum(partial[seen], len(self.rungs) - 1)] = events.value[seen]
        return at

    def projected(self, trials: Trials) -> Values:
        """`(n,)`: what each trial would be worth after a whole training; NaN where it failed.

        A value on a rung is carried to the next by the line through the trials that have both; its slope is drawn to 1,
        for few trials say little of it.
        """
        values = trials.value.copy()
        if not trials.partial.any():
            return values
        at = self.measured(trials)
        level = _level(at)
        for rung in range(len(self.rungs) - 1):
            both = np.isfinite(at[:, rung]) & np.isfinite(at[:, rung + 1])
            below = trials.partial & (level <= rung) & np.isfinite(values)
            if both.any():
                slope, offset = _line(at[both, rung], at[both, rung + 1], float(np.nanvar(at[:, rung])))
                values[below] = offset + slope * values[below]
        return values


def _level(at: NDArray[np.float64]) -> NDArray[np.intp]:
    """`(n,)`: the highest rung with a value, -1: none."""
    level: NDArray[np.intp] = np.where(np.isfinite(at), np.arange(at.shape[1]), -1).max(axis=1, initial=-1)
    return level


def _line(x: Values, y: Values, variance: float) -> tuple[float, float]:
    centred = x - x.mean()
    drawn = _AS_IT_IS * variance + 1e-12
    slope = float((centred @ (y - y.mean()) + drawn) / (centred @ centred + drawn))
    return slope, float(y.mean() - slope * x.mean())
