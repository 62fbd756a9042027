"""A search that tests drive by hand, and an estimator that follows the protocol only."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers import Mirror, accuracy

from nas.search import Search
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, LocalSearch, RandomSearch, RegularizedEvolution, SmartPool
from nas.types import Batch, Candidate, Prediction, Values

ROUND = {"initial": 10, "pool": 60, "batch": 5}
SHARES = {"mutations": [0.3, 0.2], "crossover": 0.2, "latent": 0.1, "radius": 1.0}


def smart(space: NB101, estimator: Any) -> BayesianOptimisation:
    return BayesianOptimisation(SmartPool(space, Mirror(space), generations=3, parents=10, **SHARES))


STRATEGIES = {
    "bayesian": smart,
    "evolution": lambda space, _: RegularizedEvolution(space, 20, 5),
    "local": lambda space, _: LocalSearch(space),
    "random": lambda space, _: RandomSearch(space),
}


def value(candidate: Candidate) -> float:
    return float(accuracy(candidate.batch.space, candidate.batch.genes)[0])


def spend(search: Search, budget: int, n: int = 1) -> Search:
    """Ask for `n` and tell all of them, until so many trials are known."""
    while len(search.trials) < budget and (asked := search.ask(min(n, budget - len(search.trials)))):
        for candidate in asked:
            search.tell(candidate, value(candidate))
    return search


def told(search: Search) -> list[dict[str, Any]]:
    return [vars(trial) for trial in search.trials]


def keys(candidates: list[Candidate]) -> list[str]:
    return [candidate.key for candidate in candidates]


class Plain:
    """An estimator that follows the protocol and nothing else."""

    min_trials, gives_std = 2, False

    def __init__(self) -> None:
        self.fits: list[int] = []
        self.predicted: list[int] = []
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def fit(self, batch: Batch, values: Values) -> None:
        assert len(batch) == len(values)
        self.fits.append(len(batch))
        self.best = batch.canonical[values.argmax()]

    def predict(self, batch: Batch) -> Prediction:
        self.predicted.append(len(batch))
        return Prediction(-(batch.canonical != self.best).sum(axis=1).astype(np.float64))
