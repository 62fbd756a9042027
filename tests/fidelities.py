"""An evaluator of several fidelities, how tests run, stop and continue a search on it, and its history counted anew."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from helpers import accuracy

from nas.acquisition import Mean
from nas.budget import Budget
from nas.estimators import Ridge
from nas.schedulers import Scheduler
from nas.search import Callback, Search, Trial
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.search.schedule import Schedule
from nas.spaces import NB101
from nas.strategies import RegularizedEvolution
from nas.types import Candidate, Outcome, Strategy

VALUE = "accuracy"
ROUND = {"initial": 10, "pool": 50, "batch": 3}

Line = dict[str, Any]


def by_key(candidate: Candidate) -> float:
    """Seconds of an epoch: a function of the network."""
    return 1.0 + int(candidate.batch.keys[0]) % 97 / 97


def never(key: str, until: int) -> bool:
    """Fails nowhere."""
    return False


def some(key: str, until: int) -> bool:
    """One evaluation of five fails."""
    return bool(np.random.default_rng([int(key, 16), until]).random() < 0.2)


class Staged:
    """A user's evaluator of made-up learning curves, which take `seconds` an epoch on a simulated clock."""

    value = VALUE
    simulated = True
    deaths = 0

    def __init__(
        self,
        space: NB101,
        fidelities: tuple[int, ...] = (1, 3, 9),
        *,
        slots: int = 1,
        continues: bool = True,
        seconds: Callable[[Candidate], float] = by_key,
        fails: Callable[[str, int], bool] = never,
    ) -> None:
        self.space, self.fidelities, self.slots, self.continues = space, fidelities, slots, continues
        self.seconds, self.fails = seconds, fails
        self.asked: list[Candidate] = []
        self._end = cache(lambda genes: float(accuracy(space, np.array([genes], dtype=np.uint8))[0]))

    def curve(self, candidate: Candidate, until: int) -> float:
        """What is measured after so many epochs."""
        key = int(candidate.batch.keys[0])
        noise = np.random.default_rng([key, until]).normal() * 0.01 / until
        return self._end(tuple(candidate.genes.tolist())) * (1 - 0.5 * until**-0.7) + noise

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        self.asked.append(candidate)
        until = candidate.until or self.fidelities[-1]
        seconds = self.seconds(candidate) * (until - candidate.reached * self.continues)
        future: Future[Outcome] = Future()
        if self.fails(candidate.key, until):
            future.set_result(Outcome.failed("diverged", seconds))
        else:
            partial = until != self.fidelities[-1]
            future.set_result(Outcome({VALUE: self.curve(candidate, until)}, seconds, until, partial=partial))
        return future


class StopsError(Exception):
    """What stands for the death of the program."""


class Dies(Callback):
    """Ends the program when so many evaluations were recorded."""

    def __init__(self, at: int) -> None:
        self.left = at

    def on_trial(self, search: Search, trial: Trial) -> None:
        self.left -= 1
        if not self.left:
            raise StopsError


def run(
    folder: Path,
    evaluator: Staged,
    scheduler: Scheduler,
    budget: str | int,
    *,
    strategy: Callable[[NB101], Strategy] = RegularizedEvolution,
    callback: Callback | None = None,
    retry: bool = False,
    seed: int = 0,
    **options: int,
) -> Search:
    """Run, or continue, the search in the folder."""
    space = evaluator.space
    folder.mkdir(exist_ok=True)
    search = Search(
        space, strategy(space), Ridge(space, 10.0), Mean(), budget=budget, value=VALUE, seed=seed,
        schedule=Schedule.of(scheduler, evaluator), **{**ROUND, **options},
    )  # fmt: skip
    with Journal(folder) as journal:
        search.add(*journal.read(space, VALUE))
        if retry:
            search.retry_failed()
        run_search(search, evaluator, journal, Budget.of(budget), callback or Callback())
    return search


def history(folder: Path) -> list[Line]:
    """The lines of a run."""
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def trained(lines: Iterable[Line], continues: bool = True) -> list[int]:
    """Epochs that each line's evaluation trained, counted from its trial's lines before."""
    reached: dict[int, int] = defaultdict(int)
    result = []
    for line in lines:
        step, epochs = line["step"], line["epochs"]
        result.append(epochs - (reached[step] if continues else 0))
        reached[step] = 0 if line.get("error") else epochs  # what failed begins anew
    return result
