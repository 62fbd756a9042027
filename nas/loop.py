"""The search loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np

from nas.history import History
from nas.types import Estimator, Evaluator, Prediction, Strategy


class Phases(dict[str, float]):
    """Wall seconds by phase."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase."""
        start = perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + perf_counter() - start


def search(
    strategy: Strategy,
    estimator: Estimator,
    evaluator: Evaluator,
    history: History,
    *,
    seed: int,
    budget: int,
    initial: int,
    pool: int,
    batch: int,
    phase: Phases,
    on_round: Callable[[History], None],
) -> None:
    """Spend `budget` evaluations: `initial` in the strategy's order, then of each `pool` the `batch` estimated best.

    All random numbers of a round come from (seed, evaluations so far), so that a run can be repeated from its history.
    """
    while (known := len(history)) < budget:
        rng = np.random.default_rng([seed, known])
        if known < initial:
            with phase("ask"):
                chosen = strategy.ask(min(initial, budget) - known, rng)
            estimate = Prediction(mean=np.full(len(chosen), np.nan))
        else:
            with phase("ask"):
                candidates = strategy.ask(pool, rng)
            with phase("fit"):
                estimator.fit(history.archs, history.values)
            with phase("predict"):
                prediction = estimator.predict(candidates.archs)
            best = prediction.top(min(batch, budget - known))
            chosen, estimate = candidates.take(best), prediction.take(best)
        with phase("evaluate"):
            history.evaluate(evaluator, chosen, estimate)
        with phase("tell"):
            strategy.tell(history.archs[known:], history.values[known:])
        on_round(history)
