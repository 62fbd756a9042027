"""The evaluations of a search, as they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas._growing import GrowingArray
from nas.search.columns import Columns
from nas.types import Values


class Told(Protocol):
    """What is told of one evaluation: an outcome, or a recorded line."""

    @property
    def seconds(self) -> float | None:
        """That it took."""

    @property
    def epochs(self) -> int | None:
        """Of training behind it."""

    @property
    def partial(self) -> bool:
        """Whether the training may go on."""


class Events:
    """Columns of `e` evaluations that grow; NaN: not known."""

    def __init__(self) -> None:
        self._rows: GrowingArray[np.int64] = GrowingArray((), np.int64)
        self._partial: GrowingArray[np.bool_] = GrowingArray((), np.bool_)
        self._numbers = Columns("value", "epochs", "seconds", "clock")

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, rows: ArrayLike, told: Sequence[Told], values: Values, clocks: Sequence[float | None]) -> None:
        """Append evaluations `(m,)`: their trials, what was told, the values that the search saw, and the clock."""
        self._rows.extend(np.asarray(rows))
        self._partial.extend([one.partial for one in told])
        numbers: dict[str, Sequence[float | None]] = {"value": values.tolist(), "clock": clocks}
        numbers |= {name: [getattr(one, name) for one in told] for name in ("epochs", "seconds")}
        self._numbers.extend(numbers, len(told))

    @property
    def rows(self) -> NDArray[np.int64]:
        """`(e,)`: the trial of each."""
        return self._rows.view

    @property
    def partial(self) -> NDArray[np.bool_]:
        """`(e,)`: after which a training may go on."""
        return self._partial.view

    @property
    def value(self) -> Values:
        """`(e,)`: what the search saw; NaN: the evaluation failed."""
        return self._numbers.column("value")

    @property
    def epochs(self) -> Values:
        """`(e,)`: of training behind each."""
        return self._numbers.column("epochs")

    @property
    def seconds(self) -> Values:
        """`(e,)`: that each took by itself."""
        return self._numbers.column("seconds")

    @property
    def clock(self) -> Values:
        """`(e,)`: on the clock of the search when each was done."""
        return self._numbers.column("clock")

    @property
    def first(self) -> NDArray[np.bool_]:
        """`(e,)`: which are the first of their trial."""
        result = np.zeros(len(self), dtype=np.bool_)
        result[np.unique(self.rows, return_index=True)[1]] = True
        return result

    @property
    def outcomes(self) -> tuple[NDArray[np.int64], Values]:
        """Trials `(m,)` and their values, as strategies are told of them: when each first failed, and first did not."""
        told: dict[tuple[int, bool], float] = {}
        for row, value in zip(self.rows.tolist(), self.value.tolist(), strict=True):
            told.setdefault((row, bool(np.isnan(value))), value)
        return np.array([row for row, _ in told], dtype=np.int64), np.array([*told.values()], dtype=np.float64)

    @property
    def went_on(self) -> bool:
        """Whether a training stopped early, or a trial has several evaluations."""
        return len(self) > int(self.rows.max(initial=-1)) + 1 or bool(self.partial.any())

    def revalued(self, values: Values) -> tuple[NDArray[np.int64], Values]:
        """Trials `(m,)` that did not fail at first, and what strategies are to believe of them now.

        Args:
            values: `(n,)` of all trials; of one that failed as it went on (NaN) stays what was told first.
        """
        succeeded = np.isfinite(self.value)
        rows, place = np.unique(self.rows[succeeded], return_index=True)
        first = self.value[succeeded][place]
        return rows, np.where(np.isfinite(values[rows]), values[rows], first)

    def trained(self, continues: bool) -> Values:
        """`(e,)`: epochs that each evaluation trained; NaN where unknown.

        Args:
            continues: whether a training goes on from where it stopped; else each is a training of its own.
        """
        if not continues:
            return self.epochs
        order = np.argsort(self.rows, kind="stable")
        rows, reached = self.rows[order], self.epochs[order]
        before = np.where(np.diff(rows, prepend=-1) == 0, np.concatenate([[0.0], reached[:-1]]), 0.0)
        result = np.empty(len(self))
        result[order] = reached - np.where(reached > before, before, 0.0)
        return result
