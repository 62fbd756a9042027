"""The search loop."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from nas.search.journal import History
from nas.types import Acquisition, Candidate, Estimator, Evaluator, Outcome, Prediction, Strategy, top

_log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Budget:
    """How much a search may spend, and in what portions.

    Attributes:
        total: evaluations in all.
        initial: of them before the estimator is asked.
        pool: candidates of a round.
        batch: evaluated of them.
    """

    total: int
    initial: int
    pool: int
    batch: int


def search(
    strategy: Strategy,
    estimator: Estimator,
    acquisition: Acquisition,
    evaluator: Evaluator,
    history: History,
    budget: Budget,
    *,
    seed: int,
    phase: Phases,
    on_trial: Callable[[History], None],
) -> None:
    """Spend the budget, or as much of it as there are architectures.

    All random numbers of a round come from (seed, evaluations begun so far).
    """
    queue: deque[Candidate] = deque()
    flying: dict[Future[Outcome], Candidate] = {}
    if evaluator.slots > 1:
        queue.extend(history.restore())
        strategy.tell(history.archs, history.values)
        on_trial(history)
    while len(history) < budget.total:
        while len(flying) < evaluator.slots and (begun := len(history) + len(flying)) < budget.total:
            if not queue:
                rng = np.random.default_rng([seed, begun])
                queue.extend(
                    _choose(strategy, estimator, acquisition, history, list(flying.values()), budget, rng, phase)
                )
            if not queue:
                break  # the estimator waits for what is flying, or the space is used up
            candidate = queue.popleft()
            recorded = history.recorded_outcome(begun)
            with phase("evaluate"):
                future = _done(recorded) if recorded else evaluator.submit(candidate.arch)
            flying[future] = candidate
            if evaluator.slots > 1:
                history.note_in_flight([*flying.values(), *queue])
        if not flying:
            _log.warning("the space is used up after %d evaluations", len(history))
            break
        with phase("evaluate"):
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in [future for future in flying if future in done]:
            history.record(flying.pop(future), future.result())
            strategy.tell(history.archs[-1:], history.values[-1:])
        on_trial(history)


def _choose(
    strategy: Strategy,
    estimator: Estimator,
    acquisition: Acquisition,
    history: History,
    flying: list[Candidate],
    budget: Budget,
    rng: np.random.Generator,
    phase: Phases,
) -> list[Candidate]:
    """The next candidates to evaluate; none, if the estimator has to wait for what is flying."""
    begun, known = len(history) + len(flying), history.known
    ready = begun >= budget.initial and len(known) >= estimator.min_trials
    if begun >= budget.initial and not ready and flying:
        return []
    wanted = budget.batch if ready else max(budget.initial - begun, 1)
    wanted = min(wanted, budget.total - begun)
    if ready:
        with phase("fit"):  # before it is asked: a strategy may want estimates
            estimator.fit(history.archs[known], history.values[known])
    with phase("ask"):
        exclude = np.array([one.arch for one in flying]) if flying else None
        proposal = strategy.ask(budget.pool if ready else wanted, rng, exclude)
    if not ready:
        prediction = Prediction(np.full(len(proposal), np.nan))
        scores = prediction.mean
    else:
        with phase("predict"):
            prediction = estimator.predict(proposal.archs)
            scores = acquisition(prediction, float(history.values[known].max(initial=-np.inf)), rng)
    return [
        Candidate(
            proposal.archs[row],
            str(proposal.origin[row]),
            _known(prediction.mean[row]),
            None if prediction.std is None else _known(prediction.std[row]),
        )
        for row in top(scores, wanted)
    ]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future
