"""Asynchronous successive halving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Gt

from nas.options import PositiveInt, validated
from nas.schedulers.base import Job, Standing, geometric


@validated
class Asha:
    """Asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter tuning").

    A candidate of the best `1 / eta` on its rung goes on to the next as soon as it is one of them, the highest rungs
    first; where there is none, a new one begins. Nothing waits.

    Args:
        eta: above 1; also the ratio of the epochs of two rungs, as near as the fidelities allow.
        first: epochs of the lowest rung, one of the fidelities; None: the least there is.
    """

    full = False

    def __init__(self, eta: Annotated[float, Gt(1)] = 3.0, first: PositiveInt | None = None) -> None:
        self.eta, self.first = eta, first

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """A geometric sequence."""
        return geometric(fidelities, self.eta, self.first)

    def next(self, standing: Standing) -> Job | None:
        """Let one of the best go on, else begin a new candidate."""
        for rung in range(len(standing.rungs) - 2, -1, -1):
            values = standing.at[:, rung]
            measured = np.isfinite(values)
            entered = measured.sum() + (standing.failed & ~measured & (standing.level == rung - 1)).sum()
            best = np.argsort(-np.where(measured, values, -np.inf), kind="stable")[: int(entered / self.eta)]
            ready = best[standing.may_go_on[best] & (standing.level[best] == rung)]
            if len(ready):
                return standing.go_on(int(ready[0]), rung + 1)
        return standing.begin()
