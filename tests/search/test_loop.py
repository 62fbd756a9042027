"""The loop with several evaluations in flight; with one, see `test_search.py`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers import accuracy
from numpy.typing import NDArray

from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator, Ridge
from nas.search.journal import History
from nas.search.loop import Budget, Phases, search
from nas.spaces import NB101
from nas.strategies import RandomSearch, RegularizedEvolution
from nas.types import Outcome

BUDGET = Budget(total=40, initial=10, pool=50, batch=3)


class StoppedError(Exception):
    """What stands for the death of the program."""


class Threads:
    """Evaluates in threads, as many as there are slots; some candidates fail, and the one that `hangs` does not end."""

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

    def submit(self, arch: NDArray[np.uint8]) -> Future[Outcome]:
        self.started.append(int(self.space.keys(arch[None])[0]))
        return self.executor.submit(self.measure, arch)

    def measure(self, arch: NDArray[np.uint8]) -> Outcome:
        with self.lock:
            self.running += 1
            self.at_once.append(self.running)
            is_first, hangs = len(self.at_once) <= self.slots, len(self.at_once) == self.hangs
        if is_first:
            self.first.wait(timeout=30)  # passes only if the loop has begun as many as there are slots
        if hangs:
            self.released.wait(timeout=30)
        value = float(accuracy(self.space, arch[None])[0])
        threading.Event().wait(0.002 + value % 0.01)
        with self.lock:
            self.running -= 1
        return Outcome(None, error="too large") if self.fails(value) else Outcome(value, cost=1.0)


def run(folder: Path, evaluator: Threads, estimator=None, stop_at: int | None = None) -> History:
    space = evaluator.space

    def on_trial(history: History) -> None:
        if stop_at is not None and len(history) >= stop_at:
            raise StoppedError

    with History(folder / "history.jsonl", space) as history:
        strategy = RegularizedEvolution(space, 20, 5)
        search(
            strategy,
            estimator or Ridge(space, 10.0),
            Mean(),
            evaluator,
            history,
            BUDGET,
            seed=0,
            phase=Phases(),
            on_trial=on_trial,
        )
    return history


def test_all_slots_are_used_and_nothing_is_evaluated_twice(tmp_path: Path, small_space: NB101) -> None:
    evaluator = Threads(small_space, slots=4)
    history = run(tmp_path, evaluator)
    assert len(history) == len(set(evaluator.started)) == BUDGET.total
    assert max(evaluator.at_once) == 4
    predicted = [trial.predicted_mean is not None for trial in history.trials]
    assert not any(predicted[: BUDGET.initial - 4])
    assert all(predicted[BUDGET.initial + 4 :])


def test_a_stopped_search_loses_nothing_and_evaluates_again_what_was_in_flight(
    tmp_path: Path, small_space: NB101
) -> None:
    first = Threads(small_space, slots=4, hangs=20)
    with pytest.raises(StoppedError):
        run(tmp_path, first, stop_at=22)
    first.released.set()
    before = (tmp_path / "history.jsonl").read_bytes()
    second = Threads(small_space, slots=4)
    history = run(tmp_path, second)
    assert (tmp_path / "history.jsonl").read_bytes().startswith(before)
    done = {int(trial.key, 16) for trial in history.trials[: before.count(b"\n")]}
    lost = [key for key in first.started if key not in done]
    assert lost
    assert second.started[: len(lost)] == lost
    assert len(history) == len({trial.key for trial in history.trials}) == BUDGET.total
    assert len(second.started) == BUDGET.total - len(done)


@pytest.mark.parametrize("arch", [[300] * 26, [7] * 26, [1, 2], 5])
def test_what_was_in_flight_is_refused_where_it_is_no_architecture(arch, tmp_path: Path, small_space: NB101) -> None:
    (tmp_path / "in_flight.json").write_text(json.dumps([{"arch": arch, "origin": "mutation"}]))
    with pytest.raises(UserError, match=r"in_flight\.json is damaged .*: remove it, and lose what was in flight"):
        run(tmp_path, Threads(small_space, slots=2))


def test_a_history_whose_details_were_changed_is_refused(tmp_path: Path, small_space: NB101) -> None:
    run(tmp_path, Threads(small_space, slots=1))
    path = tmp_path / "history.jsonl"
    path.write_text(path.read_text().replace('"details": null', '"details": 5', 1))
    with pytest.raises(UserError, match="line 1 of .* is not a trial .its details are 5"):
        History(path, small_space)


@pytest.mark.parametrize("slots", [1, 3])
def test_failures_are_recorded_and_never_stop_the_search(slots: int, tmp_path: Path, small_space: NB101) -> None:
    evaluator = Threads(small_space, slots, fails=lambda value: value > 0.902)
    history = run(tmp_path, evaluator)
    failed = [trial for trial in history.trials if trial.error]
    assert 0 < len(failed) < BUDGET.total == len(history)
    assert {(trial.value, trial.error) for trial in failed} == {(None, "too large")}
    assert len(set(evaluator.started)) == BUDGET.total
    again = run(tmp_path, Threads(small_space, slots))
    assert [trial.key for trial in again.trials] == [trial.key for trial in history.trials]


def test_a_search_in_which_all_fail_ends(tmp_path: Path, small_space: NB101) -> None:
    history = run(tmp_path, Threads(small_space, slots=2, fails=lambda _: True))
    assert len(history) == BUDGET.total
    assert np.isnan(history.values).all()


def test_random_search_with_one_slot_is_the_strategy_itself(tmp_path: Path, small_space: NB101) -> None:
    """The loop adds nothing of its own to the order of the strategy."""
    with History(tmp_path / "history.jsonl", small_space) as history:
        budget = Budget(total=20, initial=20, pool=1, batch=1)
        evaluator = Threads(small_space, slots=1)
        search(
            RandomSearch(small_space), NoEstimator(small_space), Mean(), evaluator, history, budget,
            seed=5, phase=Phases(), on_trial=lambda _: None,
        )  # fmt: skip
    archs = RandomSearch(small_space).ask(20, np.random.default_rng([5, 0])).archs
    assert (history.archs == archs).all()
