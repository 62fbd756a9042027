"""Random search."""

from __future__ import annotations

from numpy.random import Generator

from nas.strategies.base import ArchiveStrategy
from nas.types import Estimator, Proposal


class RandomSearch(ArchiveStrategy):
    """Uniform over the distinct networks of the space, without replacement."""

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Draw `n` architectures."""
        return self.random(n, rng)
