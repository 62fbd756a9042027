"""Asynchronous successive halving against the rule of Li et al. (2020), computed anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standings import NAN, Simulation, standing

from nas.schedulers import Asha, Job, Standing

RUNGS = (1, 3, 9)


def due(seen: Standing, eta: float) -> tuple[int, int] | None:
    """Algorithm 2: the row that goes on, and its rung, by looking at lists. A failure is the last of its rung."""
    gone = {(row, rung) for _, rung, row in seen.pending if row is not None}
    for rung in reversed(range(len(seen.rungs) - 1)):
        entered = []
        for row in range(len(seen.at)):
            reached = seen.level[row]
            if np.isfinite(seen.at[row, rung]):
                entered.append((-seen.at[row, rung], row))
            elif seen.failed[row] and reached == rung - 1:
                entered.append((np.inf, row))
        for value, row in sorted(entered)[: int(len(entered) // eta)]:
            on = np.isfinite(seen.at[row, rung + 1]) or (row, rung + 1) in gone or seen.failed[row]
            if np.isfinite(value) and not on:
                return row, rung + 1
    return None


class Checked(Asha):
    """Says what `Asha` says, where that is what the rule says."""

    checked = 0

    def next(self, standing: Standing) -> Job | None:
        job, wanted = super().next(standing), due(standing, self.eta)
        if wanted is None:
            assert job == (Job(standing.rungs[0]) if standing.new else None)
        else:
            assert job == Job(standing.rungs[wanted[1]], wanted[0], 0)
            self.checked += 1
        return job


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    workers=st.integers(1, 9),
    fails=st.sampled_from([0.0, 0.2]),
    eta=st.sampled_from([2.0, 2.5, 3.0]),
)
def test_who_goes_on_is_who_the_rule_lets(seed: int, workers: int, fails: float, eta: float) -> None:
    scheduler = Checked(eta)
    done = Simulation(scheduler, (1, 2, 4, 9), np.random.default_rng(seed), workers, 150, fails).run()
    assert scheduler.checked or not done.whole


@pytest.mark.parametrize(
    ("at", "more", "job"),
    [
        ([], {}, Job(1)),
        ([[0.1], [0.2]], {}, Job(1)),  # a third of two is nobody
        ([[0.1], [0.3], [0.2]], {}, Job(3, 1)),
        ([[0.2], [0.2], [0.2]], {}, Job(3, 0)),  # of equals the first
        ([[0.1], [0.3, 0.4], [0.2]], {}, Job(1)),  # the only one has gone on
        ([[0.1], [0.3], [0.2]], {"pending": [(0, 1, 1)]}, Job(1)),  # is going on
        ([[0.1], [0.3], [0.2]], {"pending": [(0, 0, None)] * 5}, Job(3, 1)),  # what is not measured does not count
        ([[0.1], [0.3], [NAN]], {"failed": [2]}, Job(3, 1)),  # a failure is the worst of three
        ([[NAN], [NAN], [NAN]], {"failed": [0, 1, 2]}, Job(1)),
        ([[0.1], [0.3], [0.2]], {"failed": [1]}, Job(1)),  # it failed on the way: nobody takes its place
        ([[0.5], [0.3], [0.2], [0.1], [0.4], [0.0]], {"failed": [0]}, Job(3, 4)),  # but the second has its own
        ([[0.1], [0.3, 0.4], [0.2]], {"new": False}, None),
        ([[0.1], [0.3], [0.2]], {"new": False}, Job(3, 1)),
        # the highest rung first
        ([[0.5, 0.6], [0.5, 0.7], [0.4, 0.5], *[[0.1]] * 6, [0.9], [0.8], [0.7]], {}, Job(9, 1)),
    ],
)
def test_small_cases(at: list[list[float]], more: dict[str, Any], job: Job | None) -> None:
    assert Asha().next(standing(RUNGS, at, **more)) == job
