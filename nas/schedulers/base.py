"""What a scheduler sees, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas.errors import OptionError, UserError
from nas.types import Values


@dataclass(frozen=True)
class Job:
    """What is to be trained next.

    Attributes:
        until: after how many epochs it stops; None: the whole training.
        row: the trial whose training goes on; None: a new candidate.
        bracket: of a new candidate, 0 or more; only candidates of one bracket compete.
    """

    until: int | None
    row: int | None = None
    bracket: int = 0


@dataclass(frozen=True, eq=False)
class Standing:
    """How the `n` trials of a search, and what is pending, stand on the `r` rungs.

    Attributes:
        rungs: `(r,)` epochs, ascending; the last is the whole training.
        at: `(n, r)` the value measured on each rung, NaN where there is none.
        level: `(n,)` the highest rung that each has reached, -1: none.
        may_go_on: `(n,)` which stopped before the end of their training, did not fail, and are not pending.
        failed: `(n,)` which failed.
        brackets: `(n,)` the bracket of each.
        predicted: `(n,)` the surrogate's estimate when each was chosen, NaN where there was none.
        pending: the bracket and the rung of each candidate that is being trained, and its row, or None for a new one.
        new: whether a new candidate may begin.
        left: of the budget, in its unit; infinite where there is no end.
        epoch: what an epoch of one training costs in that unit, in the mean; 0 where the budget does not count it.
        continues: whether a training goes on from where it stopped; else each rung is a training of its own.
        at_once: how many trainings cost no more than one, because they go on side by side.
    """

    rungs: tuple[int, ...]
    at: NDArray[np.float64]
    level: NDArray[np.intp]
    may_go_on: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    brackets: NDArray[np.int64]
    predicted: Values
    pending: Sequence[tuple[int, int, int | None]] = ()
    new: bool = True
    left: float = np.inf
    epoch: float = 0.0
    continues: bool = True
    at_once: int = 1

    @classmethod
    def empty(cls, rungs: tuple[int, ...], new: bool = True) -> Standing:
        """No trial, nothing pending."""
        at, flags, numbers = np.empty((0, len(rungs))), np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.int64)
        return cls(rungs, at, numbers, flags, flags, numbers, np.empty(0), new=new)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """`(n,)`: which are trained to the end and have a value."""
        result: NDArray[np.bool_] = np.isfinite(self.at[:, -1])
        return result

    def begin(self, rung: int = 0, bracket: int = 0) -> Job | None:
        """Begin a new candidate, which stops on a rung; None where none may begin."""
        return Job(self.rungs[rung], bracket=bracket) if self.new else None

    def go_on(self, row: int, rung: int) -> Job:
        """Let the training of a trial go on to a rung."""
        return Job(self.rungs[rung], row, int(self.brackets[row]))


class Scheduler(Protocol):
    """Decides from what is known alone: it keeps nothing, so that a search goes on as it would have."""

    full: bool = False
    """Whether each candidate is trained to the end at once."""

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """After how many epochs of `fidelities`, ascending, trainings stop; the last is the whole training."""

    def next(self, standing: Standing) -> Job | None:
        """What to train next; None: nothing until what is pending is done."""


class Full:
    """Every candidate is trained to the end."""

    full = True

    def rungs(self, fidelities: Sequence[int]) -> tuple[int, ...]:
        """The whole training alone."""
        return tuple(fidelities[-1:])

    def next(self, standing: Standing) -> Job | None:
        """Begin a new candidate."""
        return Job(None) if standing.new else None


def geometric(fidelities: Sequence[int], eta: float, first: int | None = None) -> tuple[int, ...]:
    """The whole training, and those nearest to each `1 / eta` of the one above; the lowest is `first`, or the least."""
    there = np.array(starting(fidelities, first))
    chosen, target = {int(there[-1])}, there[-1] / eta
    while target > there[0] / eta**0.5:
        chosen.add(int(there[np.abs(np.log(there / target)).argmin()]))
        target /= eta
    return (int(there[0]), *(sorted(chosen)[1:] or chosen))


def starting(fidelities: Sequence[int], first: int | None) -> tuple[int, ...]:
    """The fidelities from `first` on; all for None.

    Raises:
        OptionError: there is none but the last, or `first` is none of the others.
    """
    if len(fidelities) < 2:
        raise UserError(
            "a candidate can be measured after its whole training only: leave scheduler at full, or use a table that "
            "knows several fidelities, or evaluator=training with more than one epoch"
        )
    if first is not None and first not in fidelities[:-1]:
        below = f"must be one of the fidelities below the last, {_listed(fidelities[:-1])} epochs"
        raise OptionError("first", f"is {first}, {below}")
    return tuple(one for one in fidelities if first is None or one >= first)


def _listed(numbers: Sequence[int]) -> str:
    shown = [*map(str, numbers)]
    return ", ".join(shown if len(shown) < 10 else [*shown[:3], "...", shown[-1]])
