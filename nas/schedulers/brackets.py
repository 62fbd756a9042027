"""Successive halving in brackets that wait for their rungs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Annotated

import numpy as np
from annotated_types import Gt

from nas.options import PositiveInt, validated
from nas.schedulers.base import Job, Standing, geometric


@validated
class Halving:
    """Successive halving (Jamieson and Talwalkar 2016), one bracket after the other.

    When all candidates of a bracket are measured on a rung, the best `1 / eta` of them go on to the next. What is free
    meanwhile begins the next bracket.

    Args:
        eta: above 1; also the ratio of the epochs of two rungs, as near as the fidelities allow.
        first: epochs of the lowest rung, one of the fidelities; None: the least there is.
        candidates: of a bracket, at least 1; None: as many as let one reach the end.
    """

    full = False

    def __init__(
        self,
        eta: Annotated[float, Gt(1)] = 3.0,
        first: PositiveInt | None = None,
        candidates: PositiveInt | None = None,
    ) -> None:
        self.eta, self.first, self.candidates = eta, first, candidates

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """A geometric sequence."""
        return geometric(fidelities, self.eta, self.first)

    def bracket(self, number: int, rungs: int) -> tuple[int, int]:
        """The lowest rung of a bracket, and how many candidates begin there."""
        return 0, self.candidates or ceil(self.eta ** (rungs - 1))

    def next(self, standing: Standing) -> Job | None:
        """Fill or promote in the first bracket that has something to do, else begin the next bracket."""
        last = max([*standing.brackets.tolist(), *(one[0] for one in standing.pending)], default=-1)
        for number in range(last + 2):
            if (job := self._in_bracket(standing, number)) is not None:
                return job
        return None

    def _in_bracket(self, standing: Standing, number: int) -> Job | None:
        first, size = self.bracket(number, len(standing.rungs))
        members = np.flatnonzero(standing.brackets == number)
        begun = len(members) + sum(row is None for bracket, _, row in standing.pending if bracket == number)
        if begun < size and standing.new:
            return standing.begin(first, number)
        if begun > len(members):
            return None  # until the first rung is full
        place = min(size, begun)
        for rung in range(first, len(standing.rungs) - 1):
            values = standing.at[members, rung]
            done = np.isfinite(values) | standing.failed[members]
            if not done.all():
                return None  # until the rung is full
            place = max(1, int(place / self.eta))
            best = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")[:place]
            members = members[best[np.isfinite(values[best])]]
            ready = members[standing.may_go_on[members] & (standing.level[members] == rung)]
            if len(ready):
                return standing.go_on(int(ready[0]), rung + 1)
        return None


@validated
class Hyperband(Halving):
    """Hyperband (Li et al. 2018): brackets of successive halving that begin on different rungs, in turns.

    Args:
        eta: above 1; also the ratio of the epochs of two rungs, as near as the fidelities allow.
        first: epochs of the lowest rung, one of the fidelities; None: the least there is.
    """

    def __init__(self, eta: Annotated[float, Gt(1)] = 3.0, first: PositiveInt | None = None) -> None:
        super().__init__(eta, first)

    def bracket(self, number: int, rungs: int) -> tuple[int, int]:
        """As algorithm 1 has it: few candidates that begin on a high rung, many on a low one."""
        first = number % rungs
        return first, ceil(Fraction(rungs, rungs - first) * Fraction(self.eta) ** (rungs - 1 - first))
