"""What tests of the loop evaluate with, and how they run, stop and continue it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from helpers import accuracy

from nas.acquisition import Mean
from nas.budget import Budget
from nas.estimators import Ridge
from nas.search import Callback, Search, Trial, Trials
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.strategies import RegularizedEvolution
from nas.types import Batch, Candidate, Estimator, Outcome, Strategy

BUDGET = 40
ROUND = {"initial": 10, "pool": 50, "batch": 3}


class StoppedError(Exception):
    """What stands for the death of the program."""


class Threads:
    """Evaluates in threads, as many as there are slots; some candidates fail, and the one that `hangs` does not end."""

    value = "accuracy"

    def __init__(
        self, space: NB101, slots: int, fails: Callable[[float], bool] = lambda _: False, hangs: int = 0
    ) -> None:
        self.space, self.slots, self.fails, self.hangs = space, slots, fails, hangs
        self.released = threading.Event()
        self.executor = ThreadPoolExecutor(slots)
        self.started: list[int] = []
        self.at_once: list[int] = []
        self.running = 0
        self.lock = threading.Lock()
        self.first = threading.Barrier(slots)

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        self.started.append(int(candidate.batch.keys[0]))
        return self.executor.submit(self.measure, candidate.batch)

    def measure(self, batch: Batch) -> Outcome:
        with self.lock:
            self.running += 1
            self.at_once.append(self.running)
            is_first, hangs = len(self.at_once) <= self.slots, len(self.at_once) == self.hangs
        if is_first:
            self.first.wait(timeout=30)  # passes only if the loop has begun as many as there are slots
        if hangs:
            self.released.wait(timeout=30)
        value = float(accuracy(self.space, batch.genes)[0])
        threading.Event().wait(0.002 + value % 0.01)
        with self.lock:
            self.running -= 1
        return Outcome.failed("too large", 1.0) if self.fails(value) else Outcome({self.value: value}, seconds=1.0)


class Own:
    """A user's evaluator of one slot: `answers` says what becomes of each candidate, an exception is raised."""

    value = "accuracy"

    def __init__(self, space: NB101, answers: Callable[[int, float], Any], slots: int = 1) -> None:
        self.space, self.answers, self.slots = space, answers, slots
        self.asked = 0

    def submit(self, candidate: Candidate) -> Any:
        self.asked += 1
        answer = self.answers(self.asked, float(accuracy(self.space, candidate.batch.genes)[0]))
        if isinstance(answer, Future):
            return answer
        future: Future[Any] = Future()
        future.set_result(answer)
        return future


class Stop(Callback):
    """Stops the program after some trials, and keeps what it was told."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.started: list[tuple[Trials, int]] = []
        self.told: list[Trial] = []
        self.ended: list[Trials] = []

    def on_start(self, search: Search, budget: Budget) -> None:
        self.started.append((search.trials, int(budget.amount)))

    def on_trial(self, search: Search, trial: Trial) -> None:
        self.told.append(trial)
        if trial.step + 1 == self.at:  # several may be told at once, each by its own call
            raise StoppedError

    def on_end(self, search: Search) -> None:
        self.ended.append(search.trials)


def run(
    folder: Path,
    evaluator: Any,
    *,
    strategy: Strategy | None = None,
    estimator: Estimator | None = None,
    stop: Callback | None = None,
    budget: int = BUDGET,
    retry: bool = False,
) -> Trials:
    """Run, or continue, the search in the folder."""
    space = evaluator.space
    strategy, estimator = strategy or RegularizedEvolution(space, 20, 5), estimator or Ridge(space, 10.0)
    search = Search(space, strategy, estimator, Mean(), budget=budget, value=evaluator.value, **ROUND)
    with Journal(folder) as journal:
        search.add(*journal.read(space, evaluator.value))
        if retry:
            search.retry_failed()
        run_search(search, evaluator, journal, budget, stop or Stop())
    return search.trials


def recorded(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
