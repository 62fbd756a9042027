"""The loop, with one evaluation at a time and with several."""

from __future__ import annotations

import json
from concurrent.futures import Future
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
from loops import BUDGET, ROUND, Own, Stop, StoppedError, Threads, recorded, run

from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator
from nas.search import Callback, Search
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.strategies import RandomSearch
from nas.types import Outcome


def test_all_slots_are_used_and_nothing_is_evaluated_twice(tmp_path: Path, small_space: NB101) -> None:
    evaluator = Threads(small_space, slots=4)
    trials = run(tmp_path, evaluator)
    assert len(trials) == len(set(evaluator.started)) == BUDGET
    assert max(evaluator.at_once) == 4
    predicted = [trial.predicted_mean is not None for trial in trials]
    assert not any(predicted[: ROUND["initial"] - 4])
    assert all(predicted[ROUND["initial"] + 4 :])


def test_a_slot_that_is_free_is_used_while_another_is_busy(tmp_path: Path, small_space: NB101) -> None:
    busy: Future[Outcome] = Future()
    waited_too_long = Timer(10, busy.set_exception, [TimeoutError()])

    def answers(number: int, value: float) -> Any:
        if number == 8:
            busy.set_result(Outcome({"accuracy": value}))
        return busy if number == 1 else Outcome({"accuracy": value})

    waited_too_long.start()
    trials = run(tmp_path, Own(small_space, answers, slots=2), budget=9)
    waited_too_long.cancel()
    assert (len(trials), trials.failures) == (9, 0)


@pytest.mark.parametrize("slots", [1, 3])
def test_what_is_recorded_is_what_was_told(slots: int, tmp_path: Path, small_space: NB101, caplog) -> None:
    stop = Stop()
    trials = run(tmp_path, Threads(small_space, slots, fails=lambda value: value > 0.902), stop=stop)
    assert [trial.step for trial in stop.told] == list(range(BUDGET))
    assert stop.told == [*trials]
    assert (stop.started, stop.ended) == ([(trials, BUDGET)], [trials])
    lines = recorded(tmp_path)
    assert [line["key"] for line in lines] == [trial.key for trial in trials]
    assert [line["values"] for line in lines] == [trial.values for trial in trials]
    assert all(line["seconds"] == 1.0 for line in lines)
    assert "used up" not in caplog.text


def test_what_is_pending_is_noted_once_a_round(tmp_path: Path, small_space: NB101, monkeypatch) -> None:
    """Each note waits for the disk."""
    noted: list[int] = []
    note = Journal.note_pending
    monkeypatch.setattr(Journal, "note_pending", lambda self, chosen: noted.append(len(chosen)) or note(self, chosen))
    run(tmp_path, Threads(small_space, slots=1))
    assert noted == [10, *[3] * 10]


def test_a_stopped_search_loses_nothing_and_evaluates_again_what_was_in_flight(
    tmp_path: Path, small_space: NB101
) -> None:
    first = Threads(small_space, slots=4, hangs=20)
    with pytest.raises(StoppedError):
        run(tmp_path, first, stop=Stop(22))
    first.released.set()
    before = (tmp_path / "history.jsonl").read_bytes()
    second = Threads(small_space, slots=4)
    trials = run(tmp_path, second)
    assert (tmp_path / "history.jsonl").read_bytes().startswith(before)
    done = set(trials.keys.tolist()[: before.count(b"\n")])
    lost = [key for key in first.started if key not in done]
    assert lost
    assert second.started[: len(lost)] == lost
    assert len(trials) == len(set(trials.keys.tolist())) == BUDGET
    assert len(second.started) == BUDGET - len(done)


@pytest.mark.parametrize("stop_at", [4, 11, 21, 39])
def test_a_stopped_search_of_one_slot_continues_into_the_same_history(
    stop_at: int, tmp_path: Path, small_space: NB101
) -> None:
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", Threads(small_space, slots=1, fails=lambda value: value > 0.905))
    evaluator = Threads(small_space, slots=1, fails=lambda value: value > 0.905)
    with pytest.raises(StoppedError):
        run(tmp_path, evaluator, stop=Stop(stop_at))
    run(tmp_path, evaluator)
    assert recorded(tmp_path) == recorded(tmp_path / "whole")


@pytest.mark.parametrize("genes", [[300] * 26, [7] * 26, [1, 2], 5])
def test_what_was_pending_is_refused_where_it_is_no_architecture(genes, tmp_path: Path, small_space: NB101) -> None:
    entry = {"genes": genes, "origin": "mutation", "mean": None, "std": None, "seconds": 0.0, "step": None}
    (tmp_path / "pending.json").write_text(json.dumps([entry]))
    with pytest.raises(UserError, match=r"pending\.json is damaged .*: remove it, and lose what was pending"):
        run(tmp_path, Threads(small_space, slots=2))


def test_a_history_whose_details_were_changed_is_refused(tmp_path: Path, small_space: NB101) -> None:
    run(tmp_path, Own(small_space, lambda _, value: Outcome({"accuracy": value}, details={"curve": [value]})))
    path = tmp_path / "history.jsonl"
    first, *rest = recorded(tmp_path)
    path.write_text("\n".join(json.dumps(line) for line in [{**first, "details": 5}, *rest]) + "\n")
    with Journal(tmp_path) as journal, pytest.raises(UserError, match="line 1 of .* is not a trial .its details are 5"):
        journal.read(small_space, "accuracy")


@pytest.mark.parametrize("slots", [1, 3])
def test_failures_are_recorded_and_never_stop_the_search(slots: int, tmp_path: Path, small_space: NB101) -> None:
    evaluator = Threads(small_space, slots, fails=lambda value: value > 0.902)
    trials = run(tmp_path, evaluator)
    failed = [trial for trial in trials if trial.error]
    assert 0 < len(failed) == trials.failures < BUDGET == len(trials)
    assert all((trial.values, trial.error) == ({}, "too large") for trial in failed)
    assert len(set(evaluator.started)) == BUDGET
    again = run(tmp_path, Threads(small_space, slots))
    assert again.keys.tolist() == trials.keys.tolist()


def test_random_search_with_one_slot_is_the_strategy_itself(tmp_path: Path, small_space: NB101) -> None:
    """The loop adds nothing of its own to the order of the strategy."""
    evaluator = Threads(small_space, slots=1)
    search = Search(
        small_space, RandomSearch(small_space), NoEstimator(small_space), Mean(),
        seed=5, initial=20, pool=1, batch=1, budget=20, value=evaluator.value,
    )  # fmt: skip
    with Journal(tmp_path) as journal:
        run_search(search, evaluator, journal, 20, Callback())
    archs = RandomSearch(small_space).ask(20, np.random.default_rng([5, 0])).batch.genes
    assert (search.trials.genes == archs).all()
    assert {*search.phases} == {"ask", "evaluate", "journal"}


@pytest.mark.parametrize(("slots", "batch", "budget"), [(1, 1, 5), (2, 1, 1), (1, 2, 5)])
def test_where_one_is_evaluated_after_the_other_nothing_waits_for_a_note(
    slots: int, batch: int, budget: int, tmp_path: Path, small_space: NB101
) -> None:
    evaluator = Own(small_space, lambda _, value: Outcome({"accuracy": value}), slots)
    search = Search(
        small_space, RandomSearch(small_space), NoEstimator(small_space), Mean(),
        initial=1, pool=2, batch=batch, value=evaluator.value, budget=budget,
    )  # fmt: skip
    with Journal(tmp_path) as journal:
        run_search(search, evaluator, journal, budget, Callback())
    assert len(recorded(tmp_path)) == budget
    assert (tmp_path / "pending.json").exists() == (slots > 1 or batch > 1)


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path, caplog) -> None:
    tiny = NB101(max_vertices=4)
    evaluator = Own(tiny, lambda _, value: Outcome({"accuracy": value}))
    trials = run(tmp_path, evaluator, budget=200)
    assert len(trials) == len(set(trials.keys.tolist())) == 91
    assert caplog.messages == ["the space is used up after 91 evaluations"]


def test_a_journal_is_of_one_process(tmp_path: Path, small_space: NB101) -> None:
    with Journal(tmp_path), pytest.raises(UserError, match="is being written by another process"):
        Journal(tmp_path)
