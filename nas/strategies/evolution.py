"""Regularized evolution."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from nas.errors import OptionError
from nas.options import PositiveInt, validated
from nas.strategies.base import ArchiveStrategy
from nas.types import Estimator, Proposal, Space


@validated
class RegularizedEvolution(ArchiveStrategy):
    """Regularized ("aging") evolution (Real et al. 2019, algorithm 1).

    The population is the last `population` trials: who was evaluated first dies first, however good. The parent of
    each candidate is the best of `tournament` members drawn without replacement, and the candidate differs from it
    by one mutation. Before the first trial is told, candidates are random.

    Args:
        space: the search space.
        population: members kept, at least 1.
        tournament: members drawn for each parent, 1..population; all of a smaller population.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(self, space: Space, population: PositiveInt = 20, tournament: PositiveInt = 10) -> None:
        if tournament > population:
            raise OptionError("tournament", f"is {tournament}, must be 1..{population} (population)")
        super().__init__(space)
        self.population = population
        self.tournament = tournament

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Make `n` mutants of tournament winners."""
        if not len(self.told):
            return self.random(n, rng)
        members, values = self.told.take(slice(-self.population, None)), self.values[-self.population :]
        size = min(self.tournament, len(members))
        drawn = np.argsort(rng.random((n, len(members))), axis=1)[:, :size]
        winners = drawn[np.arange(n), values[drawn].argmax(axis=1)]
        return self.proposal(self.space.mutate(members.take(winners), rng), "mutation")
