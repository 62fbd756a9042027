"""The base of every strategy: keeps what was told, and proposes nothing twice."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.errors import UserError
from nas.types import Architectures, Keys, Proposal, Space, Values, top

_ROUNDS = 4  # of drawing at random what `propose` does not supply, before the space is enumerated


class ArchiveStrategy(ABC):
    """A strategy whose state is the list of all trials told so far; a subclass gives `propose`.

    A subclass may also set how many `rounds` of proposing there are before what is missing is drawn at random, whether
    that is done (`fills`) or only where nothing at all is proposed, and the `least` proposals made at once, as most may
    be known.

    Those that succeeded are in `_archs` `(n, genes)` and `_values` `(n,)`, oldest first.

    Args:
        space: the search space.
    """

    rounds = 4
    fills = True
    least = 64

    def __init__(self, space: Space) -> None:
        self.space = space
        self._archs: Architectures = np.empty((0, len(space.cardinalities)), dtype=np.uint8)
        self._values: Values = np.empty(0)
        self._keys = space.keys(self._archs)

    @abstractmethod
    def propose(self, n: int, rng: Generator) -> Proposal:
        """Make `n` valid candidates, best guess first; some may be known or equal to one another."""

    def tell(self, archs: Architectures, values: Values) -> None:
        """Learn the values `(n,)` of architectures `(n, genes)`, in order; one that failed (NaN) stays known."""
        known = np.isfinite(values)
        self._archs = np.concatenate([self._archs, archs[known]])
        self._values = np.concatenate([self._values, values[known]])
        self._keys = np.concatenate([self._keys, self.space.keys(archs)])

    def ask(self, n: int, rng: Generator, exclude: Architectures | None = None) -> Proposal:
        """Propose up to `n` distinct architectures, none told before and none of `exclude`, best guess first.

        What `propose` cannot supply is drawn at random from the space; then fewer than `n` come back only where the
        space is used up, or, if it is too large to be enumerated, nearly so.
        """
        taken = self._taken(exclude)
        found = Proposal(self._archs[:0], np.empty(0, dtype=np.str_))
        for make in [self.propose] * self.rounds + [self.random] * _ROUNDS + [self._rest]:
            if len(found) == n or (len(found) and not self.fills):
                break
            made = make(max(n, self.least), rng)
            keys = self.space.keys(made.archs)
            new = np.flatnonzero(is_new(keys, taken))[: n - len(found)]
            found = Proposal(
                np.concatenate([found.archs, made.archs[new]]), np.concatenate([found.origin, made.origin[new]])
            )
            taken = np.concatenate([taken, keys[new]])
        return found

    def _taken(self, exclude: Architectures | None) -> Keys:
        """What must not be proposed."""
        return self._keys if exclude is None else np.concatenate([self._keys, self.space.keys(exclude)])

    def _rest(self, n: int, rng: Generator) -> Proposal:
        """All architectures, in random order, where the space can be enumerated."""
        try:
            archs = self.space.enumerate()
        except UserError:
            return self.random(n, rng)
        return Proposal(archs[rng.permutation(len(archs))], np.full(len(archs), "random"))

    def best(self, n: int) -> Architectures:
        """`(n, genes)`, or fewer: the best trials, best first."""
        return self._archs[top(self._values, n)]

    def random(self, n: int, rng: Generator) -> Proposal:
        """Draw `n` architectures uniformly from the space."""
        return Proposal(self.space.sample(n, rng), np.full(n, "random"))


def is_new(keys: Keys, taken: Keys) -> NDArray[np.bool_]:
    """`(n,)`: which keys are not taken, and not among those before them."""
    first = np.zeros(len(keys), dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    return first & ~np.isin(keys, taken)
