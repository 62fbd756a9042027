"""Local search."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from nas.strategies.base import ArchiveStrategy
from nas.types import Architectures, Proposal, Space, Values


class LocalSearch(ArchiveStrategy):
    """Local search (White et al. 2020, "Exploring the loss landscape in neural architecture search").

    Candidates are the neighbours of the incumbent, in random order: all networks one mutation away. Whatever is told
    and better becomes the incumbent. Where all neighbours are known, the next trial is a new start, at random; what was
    known before is not gone back to. Before the first trial is told, candidates are random.

    Args:
        space: the search space.
    """

    rounds = 1
    fills = False

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._value = -np.inf  # of the incumbent
        self._open = self._archs  # its neighbours that are not known

    def tell(self, archs: Architectures, values: Values) -> None:
        """Learn values, in order, and move."""
        super().tell(archs, values)
        for row, value in enumerate(values):
            if value > self._value or (np.isfinite(value) and not len(self._open)):
                self._value = float(value)
                self._open, _ = self.space.neighbours(archs[row : row + 1])
            told = self._keys[: len(self._keys) - len(values) + row + 1]
            self._open = self._open[~np.isin(self.space.keys(self._open), told)]

    def propose(self, n: int, rng: Generator) -> Proposal:
        """Return the neighbours left, in random order; random architectures where there are none."""
        if not len(self._open):
            return self.random(n, rng)
        return Proposal(self._open[rng.permutation(len(self._open))], np.full(len(self._open), "neighbour"))
