"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nas.encoders.base import Encoder
from nas.encoders.observed import Observed
from nas.errors import OptionError
from nas.types import Batch, Features, Space


class Joined:
    """The features of several encoders, one after the other; their prices add up.

    Args:
        space: the search space.
        encoders: by name, at least one; None: it is left out.

    Raises:
        OptionError: there is none.
    """

    def __init__(self, space: Space, encoders: Mapping[str, Encoder | None]) -> None:
        there = {name: encoder for name, encoder in encoders.items() if encoder is not None}
        if not there:
            raise OptionError("encoders", "is empty, must name at least one encoder")
        self.space, self.encoders = space, there

    def prepare(self) -> float:
        """Prepare all of them."""
        return sum(encoder.prepare() for encoder in self.encoders.values())

    def identity(self) -> str:
        """Say which they are."""
        return "; ".join(f"{name}: {encoder.identity()}" for name, encoder in self.encoders.items())

    def embed(self, batch: Batch) -> Features:
        """`(n, columns)`: the features of all."""
        parts = [encoder.embed(batch) for encoder in self.encoders.values()]
        seconds = np.sum([part.seconds for part in parts], axis=0)
        return Features(np.concatenate([part.values for part in parts], axis=1), seconds)


def parted(encoder: Encoder) -> tuple[Encoder | None, list[Observed]]:
    """What of an encoder follows from the graph, None where nothing does, and each part that observes at a price."""
    parts = encoder.encoders if isinstance(encoder, Joined) else {"": encoder}
    free = {name: part for name, part in parts.items() if not isinstance(part, Observed)}
    if isinstance(encoder, Joined) and len(free) > 1:
        graph: Encoder | None = Joined(encoder.space, free)
    else:
        graph = next(iter(free.values()), None)
    return graph, [part for part in parts.values() if isinstance(part, Observed)]
