"""A look at many, and whole trainings for the best."""

from __future__ import annotations

from collections.abc import Sequence

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
        """Begin a new candidate as long as the whole trainings can be paid."""
        ending = standing.whole | (standing.failed & (standing.level == 0))
        going = sum(row is not None for _, _, row in standing.pending)
        open_ = self.last - int(ending.sum()) - going
        low, high = standing.rungs
        price = standing.epoch * (high - low * standing.continues)
        enough = standing.left - standing.epoch * low >= price * max(open_, 0)
        if standing.new and not ending.any() and not going and enough:
            return standing.begin()
        values = np.where(standing.may_go_on, standing.at[:, 0], np.nan)
        if open_ <= 0:
            return None
        if np.isnan(values).all():  # too little for so many, or what was thought to be: one after the other
            looking = any(row is None for _, _, row in standing.pending)
            return None if looking else standing.begin()
        return standing.go_on(int(np.nanargmax(values)), 1)
