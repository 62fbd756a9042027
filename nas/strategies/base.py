"""The base of every strategy: keeps what was told, and proposes nothing twice."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas._growing import GrowingArray, GrowingBatch, KnownKeys
from nas.errors import UserError
from nas.types import Architectures, Batch, Estimator, Keys, Prediction, Proposal, Space, Values, top

_ROUNDS = 4  # of drawing at random what `propose` does not supply, before the space is enumerated


class ArchiveStrategy(ABC):
    """A strategy whose state is the list of all trials told so far; a subclass gives `propose`.

    A subclass may also set how many `rounds` of proposing there are before what is missing is drawn at random, whether
    that is done (`fills`) or only where nothing at all is proposed, and the `least` proposals made at once, as most may
    be known.

    Those that succeeded are in `told`, and their values `(n,)` in `values`, oldest first.

    Args:
        space: the search space.
    """

    rounds = 4
    fills = True
    least = 64

    def __init__(self, space: Space) -> None:
        self.space = space
        self._told = GrowingBatch(space)
        self._values: GrowingArray[np.float64] = GrowingArray((), np.float64)
        self._known = KnownKeys()

    @property
    def told(self) -> Batch:
        """The `n` architectures told so far, without those that failed."""
        return self._told.view

    @property
    def values(self) -> Values:
        """`(n,)`: the values of those in `told`."""
        return self._values.view

    @abstractmethod
    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Make `n` valid candidates, best guess first; some may be known or equal to one another."""

    def tell(self, batch: Batch, values: Values) -> None:
        """Learn the values `(n,)` of architectures, in order; one that failed (NaN) stays known."""
        succeeded = np.isfinite(values)
        self._told.extend(batch.take(succeeded))
        self._values.extend(values[succeeded])
        self._known.add(batch.keys)

    def revalue(self, batch: Batch, values: Values) -> None:
        """Put other values `(n,)` in the place of those that were told, as of trainings that went on."""
        order = np.argsort(batch.keys)
        place = order[np.minimum(np.searchsorted(batch.keys[order], self.told.keys), len(order) - 1)]
        same = batch.keys[place] == self.told.keys
        self.values[same] = values[place[same]]

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose up to `n` distinct architectures, none told before and none pending, best guess first.

        What `propose` cannot supply is drawn at random from the space; then fewer than `n` come back only where the
        space is used up, or, if it is too large to be enumerated, nearly so.
        """
        taken = np.empty(0, dtype=np.uint64) if pending is None else pending.keys
        parts: list[Proposal] = []
        missing = n
        own = [lambda n, rng: self.propose(n, rng, surrogate)] * self.rounds
        for make in [*own, *[self.random] * _ROUNDS, self._rest]:
            if not missing or (missing < n and not self.fills):
                break
            made = make(max(n, self.least), rng)
            part = made.take(np.flatnonzero(self._is_new(made.batch.keys, taken))[:missing])
            parts.append(part)
            taken = np.concatenate([taken, part.batch.keys])
            missing -= len(part)
        return joined(parts, surrogate)

    def _is_new(self, keys: Keys, taken: Keys) -> NDArray[np.bool_]:
        """`(n,)`: which keys were not told, are not taken, and not among those before them."""
        first = np.zeros(len(keys), dtype=np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        return first & ~np.isin(keys, taken) & ~self._known.holds(keys)

    def _rest(self, n: int, rng: Generator) -> Proposal:
        """All architectures, in random order, where the space can be enumerated."""
        try:
            archs = self.space.enumerate()
        except UserError:
            return self.random(n, rng)
        return self.proposal(archs[rng.permutation(len(archs))], "random")

    def best(self, n: int) -> Batch:
        """The best `n` trials, or fewer, best first."""
        return self.told.take(top(self.values, n))

    def random(self, n: int, rng: Generator) -> Proposal:
        """Draw `n` architectures uniformly from the space."""
        return self.proposal(self.space.sample(n, rng), "random")

    def proposal(self, archs: Architectures | Batch, origin: str) -> Proposal:
        """Make a proposal of architectures that come of one move."""
        batch = archs if isinstance(archs, Batch) else self.space.batch(archs)
        return Proposal(batch, np.full(len(batch), origin))


def joined(parts: list[Proposal], surrogate: Estimator | None = None) -> Proposal:
    """Put proposals one after the other; where some have estimates, the surrogate is asked for the others'."""
    parts = [part for part in parts if len(part)] or parts[:1]
    prediction = None
    if surrogate is not None and any(part.prediction is not None for part in parts):
        prediction = Prediction.join([part.prediction or surrogate.predict(part.batch) for part in parts])
    return Proposal(
        Batch.join([part.batch for part in parts]), np.concatenate([part.origin for part in parts]), prediction
    )
