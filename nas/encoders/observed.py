"""Features that are observed of a candidate at a price."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from nas.types import Batch, Features, Keys


class Observed(ABC):
    """An encoder that observes each network once, however often it is asked; a subclass gives `observe`."""

    def __init__(self) -> None:
        self._keys: Keys = np.empty(0, dtype=np.uint64)  # ascending
        self._rows: NDArray[np.float32] | None = None

    @abstractmethod
    def observe(self, batch: Batch) -> Features:
        """Observe distinct networks, none of which was observed before."""

    @abstractmethod
    def identity(self) -> str:
        """See `Encoder`."""

    def prepare(self) -> float:
        """Nothing is needed before, unless a subclass says so."""
        return 0.0

    def embed(self, batch: Batch) -> Features:
        """`(n, d)`: what is observed. Seconds are those of what was not observed before, at its first row."""
        unique, first = np.unique(batch.keys, return_index=True)
        new = first[~np.isin(unique, self._keys)]
        seconds = np.zeros(len(batch))
        if len(new) or self._rows is None:
            found = self.observe(batch.take(new))
            seconds[new] = found.seconds
            rows = found.values if self._rows is None else np.concatenate([self._rows, found.values])
            keys = np.concatenate([self._keys, batch.keys[new]])
            order = np.argsort(keys)
            self._keys, self._rows = keys[order], rows[order]
        return Features(self._rows[np.searchsorted(self._keys, batch.keys)], seconds)
