"""Where to look when nothing better is found any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from nas.errors import UserError
from nas.options import Natural, Positive, PositiveInt, Share, validated
from nas.strategies.base import ArchiveStrategy
from nas.types import Batch, Estimator, Prediction, Proposal, Space, top

_LISTED = 1 << 19  # up to how many networks the whole space is ranked
_DRAWN = 1 << 16  # beyond: of random ones, and of mutants


@validated
class Elsewhere(ArchiveStrategy):
    """Proposals of a search that has found nothing better for long; all of them are evaluated.

    The surrogate knows one corner by then; how neighbours differ there says little of where else to go. The first
    proposals are random, and tell what the space is like. Then the whole space is ranked by a surrogate that smooths:
    EmProx, which believes that a value shares little with its neighbours, so that regions are compared. The more trials
    have passed since the best, the more are proposed at once. Of a space of more than 524,288 networks, random ones and
    mutants of all trials are ranked. With surrogates that do not smooth these proposals are not asked for.

    Args:
        space: the search space.
        patience: trials since the best, from which on these proposals are due, at least 1; None: they never are.
        random: how many are random, at least 0.
        noise: variance that the surrogate believes a value not to share with its neighbours, above 0; they share 1.
        share: how many are proposed at once, as a part of the trials since the best; above 0, at most 1.
    """

    def __init__(
        self,
        space: Space,
        *,
        patience: PositiveInt | None = 100,
        random: Natural = 100,
        noise: Positive = 10.0,
        share: Share = 0.1,
    ) -> None:
        super().__init__(space)
        self.patience, self.drawn, self.noise, self.share = patience, random, noise, share
        self.warm = 0
        """How many trials succeeded before the search began: their order says nothing."""
        self._all: Batch | None = None

    @property
    def since(self) -> int:
        """How many trials of this search succeeded since the best of them."""
        return len(self.values) - max(int(self.values.argmax()) + 1, self.warm) if len(self.values) else 0

    @property
    def due(self) -> bool:
        """Whether nothing better was found for long."""
        return self.patience is not None and self.since >= self.patience

    def propose(self, n: int, rng: Generator, surrogate: Estimator | None) -> Proposal:
        """Draw `n` architectures."""
        return self.random(n, rng)

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose random architectures, or those that a surrogate which smooths ranks highest; best guess first."""
        left = self.drawn - (self.since - (self.patience or 0)) - (0 if pending is None else len(pending))
        if left > 0:
            return replace(super().ask(left, rng, pending), chosen=True)
        smooths: Callable[[float], Estimator] = getattr(surrogate, "smoother")  # noqa: B009
        smoother = smooths(self.noise)
        smoother.fit(self.told, self.values)
        candidates = self._candidates(rng)
        taken = np.empty(0, dtype=np.uint64) if pending is None else pending.keys
        candidates = candidates.take(np.flatnonzero(self._is_new(candidates.keys, taken)))
        prediction = smoother.predict(candidates)
        best = top(prediction.mean, max(1, round(self.share * self.since)))
        estimates = Prediction(prediction.mean[best])  # its deviations are of a noise that is only believed in
        return replace(self.proposal(candidates.take(best), "elsewhere"), prediction=estimates, chosen=True)

    def _candidates(self, rng: Generator) -> Batch:
        if self._all is None:
            try:
                if self.space.size <= _LISTED:
                    self._all = self.space.batch(self.space.enumerate())
            except UserError:  # it is too large to be enumerated
                pass
        if self._all is not None:
            return self._all
        parents = self.told.genes[rng.integers(len(self.told), size=_DRAWN)]
        mutants = self.space.perturb(parents, rng)
        drawn = np.concatenate([mutants[self.space.valid(mutants)], self.space.sample(_DRAWN, rng)])
        return self.space.batch(drawn)
