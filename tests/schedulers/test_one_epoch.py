"""A look at many: what is kept back for the whole trainings of the best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standings import NAN, Simulation, standing

from nas.schedulers import Job, OneEpoch

LOOKS = [[0.1], [0.4], [0.3], [0.2]]


@pytest.mark.parametrize(
    ("at", "more", "job"),
    [
        (LOOKS, {"left": 22}, Job(1)),  # three whole trainings cost 21
        (LOOKS, {"left": 21}, Job(8, 1)),
        (LOOKS, {"left": 25, "continues": False}, Job(1)),  # and 24 where each is a training of its own
        (LOOKS, {"left": 24, "continues": False}, Job(8, 1)),
        (LOOKS, {"left": 11, "epoch": 0.5}, Job(1)),  # in seconds, of half a second an epoch
        (LOOKS, {"left": 10.9, "epoch": 0.5}, Job(8, 1)),
        (LOOKS, {"left": 22, "new": False}, Job(8, 1)),
        (LOOKS, {"left": 14, "pending": [(0, 1, 1)]}, Job(8, 2)),
        (LOOKS, {"left": 14, "pending": [(0, 1, 1), (0, 1, 2), (0, 1, 3)]}, Job(1)),  # what is left buys looks
        ([[0.1], [0.4, 0.9], [0.3], [0.2]], {"left": 14}, Job(8, 2)),
        ([[0.1], [0.4, 0.9], [0.3, 0.8], [0.2, 0.7]], {"left": 99}, Job(1)),  # the budget has grown
        ([[0.5], [0.4, 0.9], [0.3, 0.8], [0.2, 0.7]], {"left": 21}, Job(8, 0)),  # better than what is trained
        (LOOKS, {"left": 14, "failed": [1]}, Job(8, 2)),  # it failed on the way
        (LOOKS, {"left": 14, "failed": [1], "pending": [(0, 1, 2), (0, 1, 3)]}, Job(8, 0)),  # the next takes its place
        ([[0.1], [NAN], [0.3]], {"left": 22, "failed": [1]}, Job(1)),  # a look that failed costs no whole training
        ([[0.3], [0.3]], {"new": False}, Job(8, 0)),
        ([[NAN]], {"failed": [0], "new": False}, None),
        ([], {"new": False}, None),
        ([], {}, Job(1)),
        ([], {"left": 10}, Job(1)),  # not enough for three: one after the other is trained whole
        ([[0.3]], {"left": 9}, Job(8, 0)),
        ([[0.3, 0.5]], {"left": 9}, Job(1)),
        ([[0.3, 0.5]], {"left": 9, "pending": [(0, 0, None)]}, None),
    ],
)
def test_small_cases(at: list[list[float]], more: dict[str, Any], job: Job | None) -> None:
    assert OneEpoch().next(standing((1, 8), at, **{"epoch": 1.0, **more})) == job


@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("last", [1, 4])
def test_all_is_spent_on_looks_and_so_many_whole_trainings(workers: int, continues: bool, last: int) -> None:
    done = Simulation(OneEpoch(last=last), (1, 8), np.random.default_rng(0), workers, 100, continues=continues).run()
    looks = 100 - last * (7 if continues else 8)
    assert (len(done.at), done.whole, done.spent) == (looks, last, 100)
    if workers == 1:
        best = sorted(range(looks), key=lambda row: (-done.at[row][0], row))[:last]
        assert {row for row in range(looks) if len(done.at[row]) > 1} == {*best}
