"""Arrays that grow by appending, so that a search of `n` trials copies about `n` rows in all, not `n` at each trial."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nas.types import Batch, Keys, Space

T = TypeVar("T", bound=np.generic)

_FIRST = 64  # rows that there is room for at first
_TAIL = 1 << 10  # keys that are looked through before all are sorted anew


class GrowingArray(Generic[T]):
    """Rows of one shape, of which `view` shows all so far without a copy.

    Args:
        columns: the shape of a row.
        dtype: of the entries.
    """

    def __init__(self, columns: tuple[int, ...], dtype: type[T]) -> None:
        self._rows: NDArray[T] = np.empty((_FIRST, *columns), dtype=dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def view(self) -> NDArray[T]:
        """`(n, *columns)`: all rows so far."""
        return self._rows[: self._length]

    def extend(self, rows: Any) -> None:
        """Append rows `(m, *columns)`."""
        length = self._length + len(rows)
        if length > len(self._rows):
            grown = np.empty((max(length, 2 * len(self._rows)), *self._rows.shape[1:]), dtype=self._rows.dtype)
            grown[: self._length] = self.view
            self._rows = grown
        self._rows[self._length : length] = rows
        self._length = length


class GrowingBatch:
    """A batch that grows; see `GrowingArray`.

    Args:
        space: of the architectures.
    """

    def __init__(self, space: Space) -> None:
        genes = (len(space.cardinalities),)
        self._space = space
        self._genes, self._canonical = GrowingArray(genes, np.uint8), GrowingArray(genes, np.uint8)
        self._keys: GrowingArray[np.uint64] = GrowingArray((), np.uint64)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def view(self) -> Batch:
        """All architectures so far."""
        return Batch(self._genes.view, self._canonical.view, self._keys.view, self._space)

    def extend(self, batch: Batch) -> None:
        """Append architectures."""
        self._genes.extend(batch.genes)
        self._canonical.extend(batch.canonical)
        self._keys.extend(batch.keys)


class KnownKeys:
    """A set of keys that grows, and tells of many keys at once which are in it."""

    def __init__(self) -> None:
        self._sorted: Keys = np.empty(0, dtype=np.uint64)
        self._tail: GrowingArray[np.uint64] = GrowingArray((), np.uint64)

    def add(self, keys: Keys) -> None:
        """Add keys `(m,)`."""
        self._tail.extend(keys)
        if len(self._tail) > _TAIL + len(self._sorted) // 8:
            self._sorted = np.sort(np.concatenate([self._sorted, self._tail.view]))
            self._tail = GrowingArray((), np.uint64)

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """`(n,)`: which keys are in the set."""
        found = np.isin(keys, self._tail.view)
        if len(self._sorted):
            place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
            found |= self._sorted[place] == keys
        return found
