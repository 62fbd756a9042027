"""The part of a search space that satisfies constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import Graphs
from nas.spaces.base import Gene, GeneSpace
from nas.types import Architectures, Batch, Space

_ROUNDS, _DRAWN = 8, 64  # of drawing, and drawn at least in each, before the space is enumerated
_ATTEMPTS = 100  # mutations of a parent, before a child is drawn from anywhere


class Constrained(GeneSpace):
    """A space without the architectures that do not satisfy some constraints; keys and graphs are those of the whole.

    Args:
        space: the whole space.
        satisfied: tells which of `(n, genes)` valid architectures do.
        text: the constraints in words.
        measured: stands for what `satisfied` looks at: spaces of other figures are other spaces.

    Raises:
        UserError: none does.
    """

    def __init__(
        self, space: Space, satisfied: Callable[[Architectures], NDArray[np.bool_]], text: str, measured: str
    ) -> None:
        self.whole = space
        self._whole = cast(Any, space)
        self._satisfied = satisfied
        self._text, self._measured = text, measured
        genes: tuple[Gene, ...] = self._whole.genes
        super().__init__(genes)
        self.sample(1, np.random.default_rng(0))  # raises where there is none

    def __repr__(self) -> str:
        """Say all that defines the space."""
        return f"Constrained({self._whole!r}, {self._text}, {self._measured})"

    @property
    def requirement(self) -> str:
        """What makes a vector of genes an architecture of this part."""
        return f"{self._whole.requirement}, and {self._text}"

    def _valid(self, archs: Architectures) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = self._whole.valid(archs)
        result[result] = self._satisfied(archs[result])
        return result

    def canonical(self, archs: Architectures) -> Architectures:
        """Return the canonical form in the whole space."""
        canonical: Architectures = self._whole.canonical(archs)
        return canonical

    def graphs_of(self, canonical: Architectures) -> Graphs:
        """Return the graphs."""
        graphs: Graphs = self._whole.graphs_of(canonical)
        return graphs

    def enumerate(self) -> Architectures:
        """Return every distinct architecture that satisfies the constraints, in ascending order of keys."""
        archs: Architectures = self._whole.enumerate()
        return archs[self._satisfied(archs)]

    def sample(self, n: int, rng: Generator) -> Architectures:
        """Draw `n` architectures, uniform over the distinct networks that satisfy the constraints.

        Raises:
            UserError: there is none, or too few to be found in a space too large to be enumerated.
        """
        found: Architectures = self._whole.sample(0, rng)
        for _ in range(_ROUNDS):
            if len(found) >= n:
                return found[:n]
            drawn: Architectures = self._whole.sample(max(2 * n, _DRAWN), rng)
            found = np.concatenate([found, drawn[self._satisfied(drawn)]])
        everything = self._all  # few satisfy them
        if not len(everything):
            raise UserError(f"no architecture of the space has {self._text}: relax objective.constraints")
        return everything[rng.integers(len(everything), size=n)]

    def mutate(self, parents: Batch, rng: Generator) -> Batch:
        """Mutate in the whole space, anew where a child does not satisfy the constraints.

        Where no child of many does, one is drawn from all others that do. The parent itself comes back only where none
        of many that were drawn is another: a strategy drops it, and finds that the space is used up.
        """
        children: Architectures = self._whole.mutate(parents, rng).genes.copy()
        wrong = np.flatnonzero(~self._satisfied(children))
        for _ in range(_ATTEMPTS):
            if not len(wrong):
                return self.batch(children)
            children[wrong] = self._whole.mutate(parents.take(wrong), rng).genes
            wrong = wrong[~self._satisfied(children[wrong])]
        drawn = self.sample(_DRAWN, rng)
        others = self.keys(drawn) != parents.keys[wrong, None]
        children[wrong] = drawn[np.where(others, rng.random(others.shape), -1.0).argmax(axis=1)]
        return self.batch(children)
