"""Local search."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from nas.strategies.base import ArchiveStrategy
from nas.types import Batch, Estimator, Proposal, Space, Values


class LocalSearch(ArchiveStrategy):
    """Local search (White et al. 2020, "Exploring the loss landscape in neural architecture search").

    Candidates are the neighbours of the incumbent, in random order: all networks one mutation away. Whatever is told
    and better becomes the incumbent; of trainings that stop early their first values are compared. Where all neighbours
    are known, the next trial is a new start, at random; what was known before is not gone back to. Before the first
    trial is told, candidates are random.

    Args:
        space: the search space.
    """

    rounds = 1
    fills = False

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._value = -np.inf  # of the incumbent
        self._open = self.told  # its neighbours that are not known

    def tell(self, batch: Batch, values: Values) -> None:
        """Learn values, in order, and move."""
        for row, value in enumerate(values):
            one = batch.take(slice(row, row + 1))
            super().tell(one, values[row : row + 1])
            if value > self._value or (np.isfinite(value) and not len(self._open)):
                self._value = float(value)
                self._open, _ = self.space.neighbours(one)
                self._open = self._open.take(~self._known.holds(self._open.keys))
            else:
                self._open = self._open.take(self._open.keys != one.keys[0])

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Return the neighbours left, in random order; random architectures where there are none."""
        if not len(self._open):
            return self.random(n, rng)
        return self.proposal(self._open.take(rng.permutation(len(self._open))), "neighbour")
