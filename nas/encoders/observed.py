"""Features that are observed of a candidate at a price."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nas.encoders.base import Encoder
from nas.types import Batch, Features, Keys, Values


class Observed(ABC):
    """An encoder that observes each network once, however often it is asked; a subclass gives `observe`."""

    source: ClassVar[str]
    """The family of predictors that rest on such observations."""
    measured: ClassVar[bool] = True
    """Whether the seconds are measured here; else they are those that a table tells."""
    partial: ClassVar[bool] = False
    """Whether it is the beginning of the training that an evaluation pays for, too."""
    epochs: int = 0
    """Of partial training that are paid for."""

    def __init__(self) -> None:
        self._keys: Keys = np.empty(0, dtype=np.uint64)  # ascending
        self._prices: Values = np.empty(0)
        self._rows: NDArray[np.float32] | None = None

    @abstractmethod
    def observe(self, batch: Batch) -> Features:
        """Observe distinct networks, none of which was observed before."""

    @abstractmethod
    def identity(self) -> str:
        """Say what is observed: encoders of the same identity observe the same."""

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
            self._prices = np.concatenate([self._prices, found.seconds])[order]
        return Features(self._rows[np.searchsorted(self._keys, batch.keys)], seconds)

    @property
    def price(self) -> float:
        """Seconds to observe one network, the mean of those that were; 0 where none was."""
        return float(self._prices.mean()) if len(self._prices) else 0.0

    def prices(self, batch: Batch) -> Values:
        """`(n,)`: the seconds that it took, once, to observe each of these networks; all were asked for before."""
        prices: Values = self._prices[np.searchsorted(self._keys, batch.keys)]
        return prices

    def go_on_from(self, other: Observed) -> None:
        """Know what another encoder of the same identity has observed."""
        self.__dict__.update(other.__dict__)


def observers(owner: Any) -> list[Observed]:
    """The encoders of an estimator that observe something at a price."""
    return [encoder for encoder in encoders_of(owner) if isinstance(encoder, Observed)]


def encoders_of(owner: Any) -> Iterator[Encoder]:
    """The encoders that an object is made of, and those that they are made of."""
    for part in vars(owner).values():
        for one in part.values() if isinstance(part, dict) else [part]:
            if hasattr(one, "embed") and hasattr(one, "identity"):
                yield one
                yield from encoders_of(one)
