"""Bayesian optimisation."""

from __future__ import annotations

from numpy.random import Generator

from nas.strategies.elsewhere import Elsewhere
from nas.types import Batch, Estimator, Proposal, Strategy, Values


class BayesianOptimisation:
    """A pool of candidates, of which estimator and acquisition choose; all that is particular is the pool's.

    Args:
        pool: proposes the candidates of a round.
        start: proposes them before the first trial is told; None: the pool.
        elsewhere: proposes them when nothing better is found any more; None: the pool.
    """

    def __init__(self, pool: Strategy, start: Strategy | None = None, elsewhere: Elsewhere | None = None) -> None:
        self.pool, self.start, self.elsewhere = pool, start, elsewhere
        self._begun = False

    @property
    def warm(self) -> int:
        """How many trials succeeded before the search began."""
        return 0 if self.elsewhere is None else self.elsewhere.warm

    @warm.setter
    def warm(self, trials: int) -> None:
        if self.elsewhere is not None:
            self.elsewhere.warm = trials

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose the pool's candidates: `n` of them, or all there are where the pool is the whole space."""
        asked = self.pool if self._begun or self.start is None else self.start
        if self.elsewhere is not None and self.elsewhere.due and hasattr(surrogate, "smoother"):
            asked = self.elsewhere
        return asked.ask(n, rng, pending, surrogate)

    def revalue(self, batch: Batch, values: Values) -> None:
        """Put other values in the place of those that were told."""
        for part in (self.pool, self.elsewhere):
            if part is not None and hasattr(part, "revalue"):
                part.revalue(batch, values)

    def tell(self, batch: Batch, values: Values) -> None:
        """Tell all but the start, which is not asked again."""
        self._begun = self._begun or len(batch) > 0
        self.pool.tell(batch, values)
        if self.elsewhere is not None:
            self.elsewhere.tell(batch, values)
