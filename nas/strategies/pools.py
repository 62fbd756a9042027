"""Pools: which candidates an estimator ranks in each round of `strategy=bayesian`; random ones are `RandomSearch`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.random import Generator

from nas.encoders.base import Decoder
from nas.errors import UserError
from nas.strategies.base import ArchiveStrategy, is_new
from nas.strategies.latent_space import LatentSpace
from nas.types import Architectures, Estimator, Proposal, Space

_Move = Callable[[Architectures, int, Generator], Architectures]
_OVERDRAW = 3  # for candidates that are no architectures, known, or equal to one another


class FullPool(ArchiveStrategy):
    """Every architecture that is not known, however few are asked for; before the first trial is told, random ones.

    Args:
        space: the search space.

    Raises:
        UserError: the space is too large to be enumerated.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._all = space.enumerate()
        self._all_keys = space.keys(self._all)

    def propose(self, n: int, rng: Generator) -> Proposal:
        """Draw `n` architectures."""
        return self.random(n, rng)

    def ask(self, n: int, rng: Generator, exclude: Architectures | None = None) -> Proposal:
        """Propose all that are neither known nor in `exclude`, in random order."""
        if not len(self._archs):
            return super().ask(n, rng, exclude)
        left = np.flatnonzero(~np.isin(self._all_keys, self._taken(exclude)))
        return Proposal(self._all[rng.permutation(left)], np.full(len(left), "full"))


class SmartPool(ArchiveStrategy):
    """Candidates from around the best trials, and some from anywhere (after Mauch et al. 2020: choose what is ranked).

    The shares of the pool, each named by the `origin` of its candidates: mutants of the best, with 1, 2, ... random
    genes changed; crossovers of two of the best, each gene from either; decoded neighbours of the best in the
    embedding; the rest is random. What one of the moves cannot supply is random too.

    Args:
        space: the search space.
        estimator: its encoder is used where that can decode.
        encoder: used otherwise.
        parents: how many of the best trials the moves start from, at least 1.
        mutations: shares of mutants with 1, 2, ... genes changed, each at least 0.
        crossover: share of crossovers, at least 0.
        latent: share of decoded neighbours, at least 0.
        radius: standard deviation of their distance from a parent in each component of the embedding, in standard
            deviations of that component over the space; above 0.

    Raises:
        UserError: a number is out of its range, or the shares sum to more than 1.
    """

    rounds = 1
    least = 1  # its first proposals are all of one move

    def __init__(
        self,
        space: Space,
        estimator: Estimator,
        encoder: Decoder,
        *,
        parents: int,
        mutations: list[float],
        crossover: float,
        latent: float,
        radius: float,
    ) -> None:
        if parents < 1:
            raise UserError(f"strategy.pool.parents is {parents}, must be at least 1")
        if not radius > 0:
            raise UserError(f"strategy.pool.radius is {radius}, must be above 0")
        named = {"mutations": mutations, "crossover": [crossover], "latent": [latent]}
        for name, shares in named.items():
            if not all(share >= 0 for share in shares):
                raise UserError(f"strategy.pool.{name} is {shares}, must be at least 0")
        if (total := sum(sum(shares) for shares in named.values())) > 1 + 1e-9:
            raise UserError(f"strategy.pool has shares ({', '.join(named)}) that sum to {total:g}, must be at most 1")
        super().__init__(space)
        self.parents, self.radius = parents, radius
        self._latent_space = LatentSpace(space, estimator, encoder)
        moves: dict[str, tuple[float, _Move]] = {
            f"mutation {changes}": (share, partial(self._mutants, changes=changes))
            for changes, share in enumerate(mutations, 1)
        }
        moves |= {"crossover": (crossover, self._crossovers), "latent": (latent, self._decoded)}
        self._moves = {origin: move for origin, move in moves.items() if move[0] > 0}

    def propose(self, n: int, rng: Generator) -> Proposal:
        """Make candidates by the moves, new and distinct, each its share of `n`; then `n` random ones."""
        anywhere = self.random(n, rng)
        if not len(self._archs):
            return anywhere
        parents = self.best(self.parents)
        quotas: list[int] = []
        made: list[Architectures] = []
        for share, make in self._moves.values():
            quotas.append(round(share * n))
            made.append(make(parents, _OVERDRAW * quotas[-1], rng))
        archs = np.concatenate([*made, anywhere.archs])
        origins = np.repeat([*self._moves, "random"], [*map(len, made), n])
        new = is_new(self.space.keys(archs), self._keys)
        kept = [
            np.flatnonzero(new & (origins == origin))[:quota]
            for origin, quota in zip([*self._moves, "random"], [*quotas, n], strict=True)
        ]
        rows = np.concatenate(kept)
        return Proposal(archs[rows], origins[rows])

    def _mutants(self, parents: Architectures, n: int, rng: Generator, changes: int) -> Architectures:
        children = parents[rng.integers(len(parents), size=n)]
        for _ in range(changes):
            children = self.space.perturb(children, rng)
        return children[self.space.valid(children)]

    def _crossovers(self, parents: Architectures, n: int, rng: Generator) -> Architectures:
        mothers, fathers = parents[rng.integers(len(parents), size=(2, n))]
        children: Architectures = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        return children[self.space.valid(children)]

    def _decoded(self, parents: Architectures, n: int, rng: Generator) -> Architectures:
        points = self._latent_space.embed(parents)[rng.integers(len(parents), size=n)]
        return self._latent_space.decode(
            points + self.radius * self._latent_space.deviation * rng.normal(size=points.shape)
        )
