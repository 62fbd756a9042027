"""Rungs, and what holds for every scheduler on random values, failures and workers."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standings import Simulation, standing

from nas.errors import OptionError, UserError
from nas.schedulers import Asha, Forecast, Full, Halving, Hyperband, Job, OneEpoch, Scheduler, Standing
from nas.schedulers.base import geometric, starting

EVERY = 1 + np.arange(81)


@pytest.mark.parametrize(
    ("fidelities", "eta", "first", "rungs"),
    [
        (EVERY, 3.0, None, (1, 3, 9, 27, 81)),
        (EVERY, 3.0, 9, (9, 27, 81)),
        (EVERY, 9.0, None, (1, 9, 81)),
        (range(1, 9), 2.0, None, (1, 2, 4, 8)),
        (range(1, 9), 3.0, None, (1, 3, 8)),
        (range(1, 9), 2.0, 2, (2, 4, 8)),
        (range(1, 9), 100.0, 7, (7, 8)),
        (range(1, 101), 4.0, None, (1, 6, 25, 100)),
        ((4, 12, 36, 108), 10.0, 36, (36, 108)),
        ((12, 200), 3.0, None, (12, 200)),
        ((4, 12, 36, 108), 3.0, None, (4, 12, 36, 108)),
        ((4, 12, 36, 108), 3.0, 12, (12, 36, 108)),
    ],
)
def test_rungs_are_geometric(fidelities: Any, eta: float, first: int | None, rungs: tuple[int, ...]) -> None:
    fidelities = [int(one) for one in fidelities]
    assert geometric(fidelities, eta, first) == rungs
    for scheduler in (Asha(eta, first), Halving(eta, first), Hyperband(eta, first), Forecast(eta=eta, first=first)):
        assert scheduler.rungs(fidelities) == rungs
    assert OneEpoch(first).rungs(fidelities) == (rungs[0] if first is None else first, rungs[-1])
    assert Full().rungs(fidelities) == rungs[-1:]


def test_a_fidelity_that_is_not_there_is_refused_by_what_there_is() -> None:
    listed = "must be one of the fidelities below the last, 4, 12, 36 epochs"
    for scheduler in (Asha(first=108), Halving(first=5), Hyperband(first=1), Forecast(first=200), OneEpoch(first=3)):
        with pytest.raises(OptionError) as refused:
            scheduler.rungs((4, 12, 36, 108))
        assert str(refused.value) == f"first is {scheduler.first}, {listed}"
    with pytest.raises(OptionError, match=r"^first is 100, must be one of .* last, 1, 2, 3, \.\.\., 80 epochs$"):
        starting([*range(1, 82)], 100)
    assert starting((4, 12, 36, 108), None) == (4, 12, 36, 108)
    assert starting((4, 12, 36, 108), 36) == (36, 108)


@pytest.mark.parametrize("fidelities", [(), (108,)])
def test_one_fidelity_is_not_enough(fidelities: tuple[int, ...]) -> None:
    for scheduler in (Asha(), Halving(), Hyperband(), Forecast(), OneEpoch()):
        with pytest.raises(UserError, match="after its whole training only: leave scheduler at full"):
            scheduler.rungs(fidelities)
    assert Full().rungs(fidelities) == fidelities


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Asha(eta=1.0), "eta is 1.0, must be above 1"),
        (lambda: Halving(candidates=0), "candidates is 0, must be at least 1"),
        (lambda: Hyperband(first=0), "first is 0, must be at least 1"),
        (lambda: Forecast(chance=0.0), "chance is 0.0, must be above 0"),
        (lambda: Forecast(chance=1.0), "chance is 1.0, must be"),
        (lambda: Forecast(learn=2), "learn is 2, must be at least 3"),
        (lambda: OneEpoch(last=0), "last is 0, must be at least 1"),
    ],
    ids=["eta", "candidates", "first", "chance", "chance of 1", "learn", "last"],
)
def test_numbers_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        make()
    assert str(refused.value).startswith(message)


def test_the_whole_training_is_the_only_job_of_full() -> None:
    assert Full().next(Standing.empty((8,))) == Job(None)
    assert Full().next(Standing.empty((8,), new=False)) is None


def test_a_job_tells_row_rung_and_bracket() -> None:
    seen = standing((1, 3, 9), [[0.5], [0.1, 0.2], [0.3]], brackets=[0, 2, 1])
    assert seen.begin(1, 4) == Job(3, None, 4)
    assert seen.begin() == Job(1)
    assert seen.go_on(1, 2) == Job(9, 1, 2)
    assert standing((1, 3), [], new=False).begin() is None
    assert seen.whole.tolist() == [False, False, False]


SCHEDULERS: dict[str, Any] = {
    "asha": Asha,
    "halving": Halving,
    "hyperband": Hyperband,
    "one_epoch": OneEpoch,
    "forecast": lambda: Forecast(learn=3),
}

cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "workers": st.integers(1, 9),
        "fails": st.sampled_from([0.0, 0.2, 0.6]),
        "continues": st.booleans(),
        "rungs": st.sampled_from([(1, 3, 9), (2, 5), (1, 2, 4, 8)]),
    }
)


def simulated(scheduler: Scheduler, case: dict[str, Any], budget: float, most: float = np.inf) -> Simulation:
    """A run to its end; each job is checked on the way: see `Simulation.price`."""
    rest = {name: case[name] for name in ("workers", "fails", "continues")}
    rungs = scheduler.rungs(case["rungs"]) if isinstance(scheduler, OneEpoch) else case["rungs"]
    return Simulation(scheduler, rungs, np.random.default_rng(case["seed"]), budget=budget, most=most,
                      **rest).run()  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_a_budget_of_epochs_ends_and_is_spent_up_to_one_job(name: str, case: dict[str, Any]) -> None:
    done = simulated(SCHEDULERS[name](), case, budget=120)
    assert done.spent <= 120
    low, high = case["rungs"][0], case["rungs"][-1]
    if name == "one_epoch":  # what it keeps back is spent unless candidates fail
        dead = case["fails"] > 0
        assert done.whole + len(done.dead) >= 3 or done.refused
        assert dead or 120 - done.spent < low + (high if done.whole < 3 else 0)
    else:  # there is always something to do: it ends because the next job is not paid for
        assert done.refused or done.spent == 120
        assert 120 - done.spent < high


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=40, deadline=None)
@given(case=cases, most=st.integers(1, 30))
def test_a_run_without_new_candidates_ends_and_leaves_nothing_that_was_due(
    name: str, case: dict[str, Any], most: int
) -> None:
    scheduler = SCHEDULERS[name]()
    done = simulated(scheduler, case, budget=np.inf, most=most)
    assert len(done.at) == most
    assert not done.refused
    assert scheduler.next(done.standing()) is None
    alive = [row for row in range(most) if row not in done.dead]
    if name == "one_epoch":
        ended = done.whole + sum(len(done.at[row]) == 1 and np.isfinite(done.at[row][0]) for row in done.dead)
        assert ended >= min(3, len([row for row in range(most) if done.at[row]]))
    elif name in ("halving", "hyperband") and not case["fails"]:  # of each bracket at least one is trained whole
        for bracket in set(done.brackets):
            assert any(len(done.at[row]) == len(case["rungs"]) for row in alive if done.brackets[row] == bracket)
    elif name == "asha" and not case["fails"]:  # on each rung at least a third of those below
        counts = Counter(len(values) for values in done.at)
        reached = [sum(n for length, n in counts.items() if length > rung) for rung in range(len(case["rungs"]))]
        for below, above in pairwise(reached):
            assert below // 3 <= above


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=25, deadline=None)
@given(case=cases)
def test_what_it_says_depends_on_the_standing_alone(name: str, case: dict[str, Any]) -> None:
    once = simulated(SCHEDULERS[name](), case, budget=90)
    again = simulated(SCHEDULERS[name](), case, budget=90)
    assert str(once.at) == str(again.at)
    assert once.brackets == again.brackets


@given(rungs=st.integers(1, 12), eta=st.integers(2, 5), number=st.integers(0, 30))
def test_sizes_of_brackets_are_exact(rungs: int, eta: int, number: int) -> None:
    first, size = Hyperband(eta).bracket(number, rungs)
    assert first == number % rungs
    exact = Fraction(rungs, rungs - first) * eta ** (rungs - 1 - first)
    assert size == -(-exact.numerator // exact.denominator)
    assert Halving(eta).bracket(number, rungs) == (0, eta ** (rungs - 1))
    assert Halving(eta, candidates=7).bracket(number, rungs) == (0, 7)
