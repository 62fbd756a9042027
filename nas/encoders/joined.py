"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nas.encoders.base import Encoder
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
