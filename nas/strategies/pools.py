"""Pools: which candidates an estimator ranks in each round of `strategy=bayesian`; random ones are `RandomSearch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.random import Generator

from nas.encoders.base import Decoder
from nas.errors import OptionError
from nas.options import NonNegative, Positive, PositiveInt, validated
from nas.strategies.base import ArchiveStrategy, joined
from nas.strategies.latent_space import LatentSpace
from nas.types import Architectures, Batch, Estimator, Keys, Proposal, Space

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
        self._all = space.batch(space.enumerate())

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Draw `n` architectures."""
        return self.random(n, rng)

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose all that are neither known nor pending, in random order."""
        if not len(self.told):
            return super().ask(n, rng, pending, surrogate)
        taken = np.empty(0, dtype=np.uint64) if pending is None else pending.keys
        left = np.flatnonzero(self._is_new(self._all.keys, taken))
        return self.proposal(self._all.take(rng.permutation(left)), "full")


@validated
class SmartPool(ArchiveStrategy):
    """Candidates from around the best, and some from anywhere (after Mauch et al. 2020: choose what is ranked).

    A pool is made in `generations`: the first from the best trials, each further one from these and the candidates with
    the best estimates so far, so that a round climbs further than a move away from what is known. The shares of each,
    named by the `origin` of its candidates: mutants of the best, with 1, 2, ... random genes changed; crossovers of two
    of the best, each gene from either; decoded neighbours of the best in the embedding; the rest is random. What one of
    the moves cannot supply is random too.

    Args:
        space: the search space.
        encoder: whose embedding it is: in a composition the estimator's, where that can decode; None:
            `GraphEncoder(space)`.
        generations: in how many parts of equal size the pool is made, at least 1.
        parents: how many of the best trials, and of the best estimates, the moves start from, at least 1.
        mutations: shares of mutants with 1, 2, ... genes changed, each at least 0.
        crossover: share of crossovers, at least 0.
        latent: share of decoded neighbours, at least 0.
        radius: standard deviation of their distance from a parent in each component of the embedding, in standard
            deviations of that component over the space; above 0.

    Raises:
        UserError: a number is out of its range, the shares sum to more than 1, or neighbours in the embedding are asked
            for and the space cannot be embedded.
    """

    rounds = 1
    least = 1  # its first proposals are all of one move

    def __init__(
        self,
        space: Space,
        encoder: Decoder | None = None,
        *,
        generations: PositiveInt = 2,
        parents: PositiveInt = 20,
        mutations: Sequence[NonNegative] = (0.4, 0.4),
        crossover: NonNegative = 0.0,
        latent: NonNegative = 0.0,
        radius: Positive = 0.8,
    ) -> None:
        if (total := sum(mutations) + crossover + latent) > 1 + 1e-9:
            text = f"is {list(mutations)}, whose shares sum to {total:g} with crossover and latent, must be at most 1"
            raise OptionError("mutations", text)
        super().__init__(space)
        self.generations, self.parents, self.radius = generations, parents, radius
        self._latent_space = LatentSpace(space, encoder)
        if latent > 0:
            self._latent_space.check()
        moves: dict[str, tuple[float, _Move]] = {
            f"mutation {changes}": (share, partial(self._mutants, changes=changes))
            for changes, share in enumerate(mutations, 1)
        }
        moves |= {"crossover": (crossover, self._crossovers), "latent": (latent, self._decoded)}
        self._moves = {origin: move for origin, move in moves.items() if move[0] > 0}

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Make `n` new and distinct candidates, generation by generation."""
        if not len(self.told):
            return self.random(n, rng)
        climbs = surrogate is not None and self.generations > 1
        best = self.best(self.parents).genes
        parents, made = best, self.proposal(self.told.take(slice(0)), "none")
        for size in np.diff(np.linspace(0, n, self.generations + 1).astype(int)):
            new = self._generation(parents, size, made.batch.keys, rng)
            if climbs and surrogate is not None:
                new = replace(new, prediction=surrogate.predict(new.batch))
            made = joined([made, new], surrogate)
            if made.prediction is not None:
                climbing = made.prediction.top(min(self.parents, np.isfinite(made.prediction.mean).sum()))
                parents = np.concatenate([best, made.batch.genes[climbing]])
        return made

    def _generation(self, parents: Architectures, n: int, taken: Keys, rng: Generator) -> Proposal:
        """Make `n` candidates by the moves, each its share; what is missing is random."""
        anywhere = self.space.sample(n, rng)
        quotas = [round(share * n) for share, _ in self._moves.values()]
        made = [
            make(parents, _OVERDRAW * quota, rng) for quota, (_, make) in zip(quotas, self._moves.values(), strict=True)
        ]
        batch = self.space.batch(np.concatenate([*made, anywhere]))
        origins = np.repeat([*self._moves, "random"], [*map(len, made), len(anywhere)])
        new = self._is_new(batch.keys, taken)
        kept = [
            np.flatnonzero(new & (origins == origin))[:quota]
            for origin, quota in zip([*self._moves, "random"], [*quotas, n], strict=True)
        ]
        rows = np.concatenate(kept)[:n]
        return Proposal(batch.take(rows), origins[rows])

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
        points = self._latent_space.embed(self.space.batch(parents))[rng.integers(len(parents), size=n)]
        return self._latent_space.decode(
            points + self.radius * self._latent_space.deviation * rng.normal(size=points.shape)
        )
