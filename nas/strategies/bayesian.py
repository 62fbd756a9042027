"""Bayesian optimisation."""

from __future__ import annotations

from numpy.random import Generator

from nas.types import Architectures, Proposal, Strategy, Values


class BayesianOptimisation:
    """A pool of candidates, of which estimator and acquisition choose; all that is particular is the pool's.

    Args:
        pool: proposes the candidates of a round.
    """

    def __init__(self, pool: Strategy) -> None:
        self.pool = pool

    def ask(self, n: int, rng: Generator, exclude: Architectures | None = None) -> Proposal:
        """Propose the pool's candidates: `n` of them, or all there are where the pool is the whole space."""
        return self.pool.ask(n, rng, exclude)

    def tell(self, archs: Architectures, values: Values) -> None:
        """Tell the pool."""
        self.pool.tell(archs, values)
