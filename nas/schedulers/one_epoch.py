"""A look at many, and whole trainings for the best."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from nas.options import PositiveInt, validated
from nas.schedulers.base import Job, Standing, starting


@validated
class OneEpoch:
    """Every candidate stops on the lowest rung; what is left at the end trains the best of them whole.

    Where the budget is too small for so many, one candidate after the other is trained whole.

    Args:
        first: epochs of the lowest rung, one of the fidelities; None: the least there is.
        last: how many are trained whole, at least 1.
    """

    full = False

    def __init__(self, first: PositiveInt | None = None, last: PositiveInt = 3) -> None:
        self.first, self.last = first, last

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """The lowest, and the whole training."""
        return starting(fidelities, self.first)[0], fidelities[-1]

    def next(self, standing: Standing) -> Job | None:
        """Begin a new candidate as long as the last whole trainings can be paid, then train the best looked at."""
        low, high = standing.rungs
        price = standing.epoch * (high - low * standing.continues) * ceil(self.last / standing.at_once)
        if standing.new and standing.left - standing.epoch * low >= price:
            return standing.begin()
        values = np.where(standing.failed, np.nan, standing.at[:, 0])
        best = np.argsort(-values, kind="stable")[: min(self.last, int(np.isfinite(values).sum()))]
        ready = best[standing.may_go_on[best]]
        if len(ready):
            return standing.go_on(int(ready[0]), 1)
        # What is left is not enough for so many: one look after the other, each of which may be one of the best.
        return None if any(row is None for _, _, row in standing.pending) else standing.begin()
