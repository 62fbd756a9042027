"""What a search has spent of its budget."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from nas.budget import Budget
from nas.encoders import observers
from nas.search.schedule import Schedule
from nas.search.trials import Trials
from nas.types import Candidate, Estimator


@dataclass(frozen=True)
class Spending:
    """What is spent, and what is left.

    Attributes:
        budget: None: no end.
        trials: that are done.
        schedule: how long candidates are trained.
        pending: those that are being evaluated.
        clock: seconds on the clock; None: the training seconds of all trials stand for them.
    """

    budget: Budget | None
    trials: Trials
    schedule: Schedule
    pending: Collection[Candidate]
    clock: float | None = None

    @property
    def unit(self) -> str:
        """Of the budget; without one, evaluations."""
        return "evaluations" if self.budget is None else self.budget.unit

    @property
    def most(self) -> int | None:
        """The most evaluations, where the budget says how many."""
        return None if self.budget is None else self.budget.evaluations

    @property
    def spent(self) -> float:
        """By the trials that are done, in the budget's unit."""
        if self.unit == "evaluations":
            return self.trials.charged
        if self.unit == "seconds":
            return float(np.nansum(self.trials.charges)) if self.clock is None else self.clock
        trained = self.trials.events.trained(self.schedule.continues)
        return float(np.nansum(trained[~self.trials.warm[self.trials.events.rows]]))

    @property
    def left(self) -> float:
        """What is neither spent nor promised to what is pending; infinite where there is no end."""
        if self.budget is None:
            return np.inf
        promised = {
            "evaluations": sum(one.step is None for one in self.pending),
            "epochs": sum(map(self.epochs, self.pending)),
            "seconds": 0,
        }
        return self.budget.amount - self.spent - promised[self.unit]

    @property
    def goes_on(self) -> bool:
        """Whether anything may be begun: a budget of evaluations lets trainings go on when no candidate may begin."""
        return self.unit == "evaluations" or self.left > 0

    def pool(self, pool: int, batch: int, estimator: Estimator) -> int:
        """How many candidates may be observed, at least `batch`, for half of the seconds that are left.

        Args:
            pool: how many there would be.
            batch: how many are chosen of them.
            estimator: may observe candidates at a price; what that is shows in those that it has observed.
        """
        price = sum(float(encoder.price) for encoder in observers(estimator))
        if self.unit != "seconds" or not price:
            return pool
        return min(pool, max(batch, int(self.left / 2 / price)))

    def pays(self, candidate: Candidate) -> bool:
        """Whether what is left is enough for a candidate, as far as that is known before."""
        return self.unit != "epochs" or self.epochs(candidate) <= self.left

    def epochs(self, candidate: Candidate) -> int:
        """What a candidate trains."""
        until = candidate.until or (self.schedule.rungs[-1] if self.schedule.rungs else 0)
        return until - candidate.reached * self.schedule.continues

    @property
    def epoch(self) -> float:
        """What an epoch of one training costs in the budget's unit, in the mean."""
        if self.unit != "seconds":
            return float(self.unit == "epochs")
        events = self.trials.events
        trained = events.trained(self.schedule.continues)
        known = np.isfinite(events.seconds) & (trained > 0)
        return float(events.seconds[known].sum() / trained[known].sum()) if known.any() else 0.0
