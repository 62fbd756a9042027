"""Columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas._growing import GrowingArray
from nas.types import Values


class Columns:
    """Columns of numbers that grow together; NaN: not known."""

    def __init__(self, *names: str) -> None:
        self._columns: dict[str, GrowingArray[np.float64]] = {name: GrowingArray((), np.float64) for name in names}
        self._length = 0

    @property
    def names(self) -> list[str]:
        """In the order in which they were first given."""
        return list(self._columns)

    def column(self, name: str) -> Values:
        """`(n,)`: a view; of a new name, all NaN."""
        if name not in self._columns:
            self._columns[name] = GrowingArray((), np.float64)
            self._columns[name].extend(np.full(self._length, np.nan))
        return self._columns[name].view

    def row(self, row: int) -> dict[str, float | None]:
        """One number of each column, by name; None: not known."""
        return {name: known_or_none(column.view[row]) for name, column in self._columns.items()}

    def extend(self, numbers: Mapping[str, Sequence[float | None]], rows: int) -> None:
        """Append `rows` numbers to each column; None, and columns that are not given, become NaN."""
        for name in numbers:
            self.column(name)
        missing = [None] * rows
        for name, column in self._columns.items():
            column.extend(np.array(numbers.get(name, missing), dtype=np.float64))
        self._length += rows


def known_or_none(number: float) -> float | None:
    """The number; None for NaN."""
    return None if np.isnan(number) else float(number)
