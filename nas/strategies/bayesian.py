"""Bayesian optimisation."""

from __future__ import annotations

from numpy.random import Generator

from nas.types import Batch, Estimator, Proposal, Strategy, Values


class BayesianOptimisation:
    """A pool of candidates, of which estimator and acquisition choose; all that is particular is the pool's.

    Args:
        pool: proposes the candidates of a round.
    """

    def __init__(self, pool: Strategy) -> None:
        self.pool = pool

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose the pool's candidates: `n` of them, or all there are where the pool is the whole space."""
        return self.pool.ask(n, rng, pending, surrogate)

    def tell(self, batch: Batch, values: Values) -> None:
        """Tell the pool."""
        self.pool.tell(batch, values)
