"""What was computed of networks, so that it is not computed again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.types import Batch, Keys

_TOGETHER = 1 << 16  # networks of which it is computed at once, so that memory stays small
_ASKED = 1 << 20  # networks that were asked for, of which the last are remembered
_TIMES = 16  # how often they were


class Memory:
    """Remembers what was computed of the known networks, and of what was last asked for since they became known.

    What a search evaluates it has asked for before, and one that ranks the whole space asks every round for all that is
    left.

    Args:
        compute: `(n, ...)` float32 of `n` networks, at least 1.
    """

    def __init__(self, compute: Callable[[Batch], NDArray[np.float32]]) -> None:
        self._compute = compute
        self._kept: list[tuple[Keys, NDArray[np.float32]]] = []  # by ascending keys
        self._asked: list[tuple[Keys, NDArray[np.float32]]] = []

    def known(self, batch: Batch) -> NDArray[np.float32]:
        """`(n, ...)` of all known networks; kept are these and what was asked for since the last time."""
        rows = self._of(batch)
        order = np.argsort(batch.keys)
        self._kept, self._asked = [(batch.keys[order], rows[order]), *self._asked], []
        return rows

    def asked(self, batch: Batch) -> NDArray[np.float32]:
        """`(n, ...)` of networks, at least 1, in ascending order of their keys."""
        rows = self._of(batch)
        self._asked.append((batch.keys, rows))
        while len(self._asked) > 1 and (len(self._asked) > _TIMES or sum(len(k) for k, _ in self._asked) > _ASKED):
            del self._asked[0]
        return rows

    def _of(self, batch: Batch) -> NDArray[np.float32]:
        left = np.arange(len(batch))
        found: NDArray[np.float32] | None = None

        def fill(places: NDArray[np.intp], rows: NDArray[np.float32]) -> None:
            nonlocal found
            if found is None:
                found = np.empty((len(batch), *rows.shape[1:]), dtype=np.float32)
            found[places] = rows

        for keys, rows in [*self._kept, *self._asked]:
            place = np.minimum(np.searchsorted(keys, batch.keys[left]), len(keys) - 1)
            here = keys[place] == batch.keys[left]
            fill(left[here], rows[place[here]])
            left = left[~here]
        for start in range(0, len(left), _TOGETHER):
            some = left[start : start + _TOGETHER]
            fill(some, self._compute(batch.take(some)))
        assert found is not None
        return found
