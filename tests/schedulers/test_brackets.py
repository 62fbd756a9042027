"""Halving and Hyperband: who is in a bracket, who goes on, and what waits for what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from standings import NAN, Simulation, standing

from nas.schedulers import Halving, Hyperband, Job, Scheduler, Standing

RUNGS = (1, 3, 9, 27, 81)
PUBLISHED = {  # table 1 of Li et al. (2018): candidates by rung of each bracket, R = 81, eta = 3
    0: {1: 81, 3: 27, 9: 9, 27: 3, 81: 1},
    1: {3: 34, 9: 11, 27: 3, 81: 1},
    2: {9: 15, 27: 5, 81: 1},
    3: {27: 8, 81: 2},
    4: {81: 5},
}


@dataclass
class Noted:
    """A scheduler whose jobs are kept."""

    inner: Scheduler
    jobs: list[Job] = field(default_factory=list)
    full = False

    def rungs(self, fidelities: Any) -> tuple[int, ...]:
        return self.inner.rungs(fidelities)

    def next(self, standing: Standing) -> Job | None:
        job = self.inner.next(standing)
        if job is not None:
            self.jobs.append(job)
        return job


def test_brackets_are_as_published() -> None:
    noted = Noted(Hyperband())
    cost = sum(epochs * n for bracket in PUBLISHED.values() for epochs, n in bracket.items())
    done = Simulation(noted, RUNGS, np.random.default_rng(0), 1, cost, continues=False).run()
    assert done.spent == cost
    found = {bracket: Counter(job.until for job in noted.jobs if job.bracket == bracket) for bracket in PUBLISHED}
    assert found == PUBLISHED
    brackets = [job.bracket for job in noted.jobs[: sum(map(sum, map(dict.values, PUBLISHED.values())))]]
    assert brackets == sorted(brackets)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("make", [Halving, Hyperband])
def test_the_best_of_each_rung_go_on(make: Any, workers: int) -> None:
    done = Simulation(make(), (1, 3, 9), np.random.default_rng(1), workers, np.inf, most=9 + 5 + 3).run()
    for bracket, first in enumerate((0, 1, 2) if make is Hyperband else (0, 0)):
        rows = [row for row in range(len(done.at)) if done.brackets[row] == bracket]
        place = len(rows)
        for rung in range(first, 2):
            place = max(1, place // 3)
            rows = sorted(rows, key=lambda row: (-done.at[row][rung], row))
            assert [len(done.at[row]) > rung + 1 for row in rows] == [True] * place + [False] * (len(rows) - place)
            rows = rows[:place]


NINE = [[0.1 * (one % 5)] for one in range(9)]  # the best are rows 4, then 3 and 8


@pytest.mark.parametrize(
    ("at", "more", "job"),
    [
        ([], {}, Job(1)),
        (NINE[:8], {}, Job(1)),  # it is filled first
        (NINE[:8], {"pending": [(0, 0, None)]}, Job(1, bracket=1)),  # it waits; what is free begins the next
        (NINE[:8], {"pending": [(0, 0, None)], "new": False}, None),
        (NINE, {}, Job(3, 4)),
        (NINE, {"pending": [(0, 1, 4)]}, Job(3, 3)),
        (NINE, {"pending": [(0, 1, 4), (0, 1, 3), (0, 1, 8)]}, Job(1, bracket=1)),
        ([*NINE[:3], [0.3, 0.5], [0.4, 0.1], *NINE[5:]], {"pending": [(0, 1, 8)]}, Job(1, bracket=1)),
        ([*NINE[:3], [0.3, 0.5], [0.4, 0.1], *NINE[5:8], [0.3, 0.2]], {}, Job(9, 3)),
        ([*NINE[:3], [0.3, 0.5], [0.4, 0.1], *NINE[5:]], {"failed": [8]}, Job(9, 3)),  # it failed on the way
        ([*NINE[:3], [0.3, 0.5, 0.9], [0.4, 0.1], *NINE[5:8], [0.3, 0.2]], {}, Job(1, bracket=1)),
        ([*NINE[:3], [0.3, 0.5, 0.9], [0.4, 0.1], *NINE[5:8], [0.3, 0.2]], {"new": False}, None),
        ([*NINE[:4], [NAN], *NINE[5:]], {"failed": [4]}, Job(3, 3)),
        ([[NAN]] * 9, {"failed": [*range(9)]}, Job(1, bracket=1)),
        (NINE[:5], {"new": False}, Job(3, 4)),  # a bracket that will not be filled: one of five
        ([*NINE[:4], [0.4, 0.5]], {"new": False}, Job(9, 4)),
        (NINE[:2], {"new": False}, Job(3, 1)),  # at least one goes on
        (NINE[:1], {"new": False, "pending": [(0, 0, None)]}, None),
        ([*NINE, [0.9], [0.8]], {"brackets": [0] * 9 + [1] * 2}, Job(3, 4)),  # the first bracket comes first
        ([*NINE, [0.9], [0.8]], {"brackets": [0] * 9 + [1] * 2, "pending": [(0, 1, 4), (0, 1, 3), (0, 1, 8)]},
         Job(1, bracket=1)),
    ],
)  # fmt: skip
def test_small_cases(at: list[list[float]], more: dict[str, Any], job: Job | None) -> None:
    assert Halving().next(standing((1, 3, 9), at, **more)) == job


def test_brackets_of_hyperband_begin_on_higher_rungs_in_turns() -> None:
    pending = [(0, 0, None)] * 9
    assert Hyperband().next(standing((1, 3, 9), [], pending=pending)) == Job(3, bracket=1)
    pending += [(1, 1, None)] * 5
    assert Hyperband().next(standing((1, 3, 9), [], pending=pending)) == Job(9, bracket=2)
    pending += [(2, 2, None)] * 3
    assert Hyperband().next(standing((1, 3, 9), [], pending=pending)) == Job(1, bracket=3)
    assert Halving(candidates=2).next(standing((1, 3, 9), [], pending=[(0, 0, None)] * 2)) == Job(1, bracket=1)


def test_brackets_do_not_compete() -> None:
    at = [[NAN, 0.1], [NAN, 0.2], [NAN, 0.3], [NAN, 0.4], [NAN, 0.5], *[[0.9]] * 8]
    seen = standing((1, 3, 9), at, brackets=[1] * 5 + [0] * 8, pending=[(0, 0, None)])
    assert Hyperband().next(seen) == Job(9, 4, 1)
