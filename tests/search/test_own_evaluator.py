"""The loop with an evaluator of the user's, in which anything may go wrong."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loops import BUDGET, ROUND, Own, Stop, recorded, run

from nas.errors import UserError
from nas.estimators import NoEstimator
from nas.search.journal import Journal
from nas.spaces import NB101
from nas.types import Outcome


@pytest.mark.parametrize("slots", [1, 2])
def test_a_search_in_which_the_first_ten_fail_ends_with_the_first_reason(
    slots: int, tmp_path: Path, small_space: NB101
) -> None:
    evaluator = Own(small_space, lambda number, _: Outcome.failed(f"number {number} is too large"), slots)
    with pytest.raises(UserError, match=r"all 1[01] evaluations failed; the first: number 1 is too large"):
        run(tmp_path, evaluator)
    assert 10 <= len(recorded(tmp_path)) <= 9 + slots
    with pytest.raises(UserError, match="the first: number 1 is"):  # going on is as hopeless
        run(tmp_path, evaluator)


def test_one_success_among_the_first_is_enough_to_go_on(tmp_path: Path, small_space: NB101) -> None:
    evaluator = Own(small_space, lambda number, value: Outcome({"accuracy": value}) if number == 10 else 1 / 0)
    trials = run(tmp_path, evaluator, estimator=NoEstimator(small_space))
    assert (len(trials), trials.failures, trials.best.step) == (BUDGET, BUDGET - 1, 9)


def test_what_was_done_at_the_same_time_as_an_error_is_recorded_first(tmp_path: Path, small_space: NB101) -> None:
    """Four are done at once; the second tells that nothing can be evaluated."""
    futures: list[Future[Outcome]] = []

    def answers(number: int, value: float) -> Future[Outcome]:
        futures.append(Future())
        if number == 4:
            for place, future in enumerate(futures):
                if place == 1:
                    future.set_exception(UserError("the data set is gone"))
                else:
                    future.set_result(Outcome({"accuracy": 0.9 + place / 100}))
        return futures[-1]

    stop = Stop()
    with pytest.raises(UserError, match="the data set is gone"):
        run(tmp_path, Own(small_space, answers, slots=4), stop=stop)
    assert [line["values"]["accuracy"] for line in recorded(tmp_path)] == [0.9, 0.92, 0.93]
    assert len(stop.told) == 3
    assert len(stop.ended) == 1
    with Journal(tmp_path) as journal:
        trials, unfinished = journal.read(small_space, "accuracy")
    assert len(unfinished) == ROUND["initial"] - 3  # the one that raised is not lost
    assert not set(trials.keys.tolist()) & {int(one.batch.keys[0]) for one in unfinished}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: Outcome({"accuracy": float("nan")}), "ValueError: accuracy is nan, must be finite"),
        (lambda: Outcome({"accuracy": np.float32("inf")}), "ValueError: accuracy is inf, must be finite"),
        (lambda: Outcome({"accuracy": "good"}), "ValueError: accuracy is 'good', must be a number"),
        (lambda: Outcome({"loss": 0.3}), "there is no 'accuracy' among its values (loss)"),
        (lambda: Outcome({"accuracy": 0.9}, seconds=np.nan), "ValueError: seconds is nan, must be finite"),
        (lambda: (_ for _ in ()).throw(ValueError("two\n  lines")), "ValueError: two lines"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_goes_wrong_in_an_own_evaluator_is_a_failed_trial(
    answer, error: str, late: bool, tmp_path: Path, small_space: NB101
) -> None:
    def answers(number: int, value: float) -> Any:
        if number != 3:
            return Outcome({"accuracy": value})
        if not late:
            return answer()
        future: Future[Any] = Future()
        try:
            future.set_result(answer())
        except Exception as raised:
            future.set_exception(raised)
        return future

    trials = run(tmp_path, Own(small_space, answers), budget=14)
    assert [trial.error for trial in trials] == [None, None, error, *[None] * 11]
    assert trials.failures == 1
    assert trials[2].values == {}
    assert recorded(tmp_path)[2]["error"] == error


def test_numpy_numbers_of_an_own_evaluator_are_recorded_as_plain_ones(tmp_path: Path, small_space: NB101) -> None:
    def answers(number: int, value: float) -> Outcome:
        curve = np.array([value], dtype=np.float32)
        return Outcome(
            {"accuracy": np.float32(0.5 + number / 64), "size": np.int64(number)},
            np.float64(2),
            details={"curve": curve},
        )

    trials = run(tmp_path, Own(small_space, answers), budget=12)
    assert trials.value.tolist() == [0.5 + number / 64 for number in range(1, 13)]
    line = recorded(tmp_path)[3]
    assert (line["values"], line["seconds"]) == ({"accuracy": 0.5625, "size": 4.0}, 2.0)
    assert [*run(tmp_path, Own(small_space, answers), budget=12)] == [*trials]


@pytest.mark.parametrize("answer", [0.5, None, {"accuracy": 0.5}, np.float32(0.5)])
def test_an_evaluator_that_gives_no_outcome_ends_the_search_in_one_line(
    answer, tmp_path: Path, small_space: NB101
) -> None:
    with pytest.raises(UserError, match=r"the evaluator gave .*, must be a nas\.types\.Outcome"):
        run(tmp_path, Own(small_space, lambda *_: answer))


@pytest.mark.parametrize("answer", [Outcome({"accuracy": 0.5}), 0.5, None])
def test_an_evaluator_whose_submit_gives_no_future_ends_the_search_in_one_line(
    answer, tmp_path: Path, small_space: NB101
) -> None:
    evaluator = Own(small_space, lambda *_: None)
    evaluator.submit = lambda candidate: answer  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"submit gave .*, must be a concurrent\.futures\.Future"):
        run(tmp_path, evaluator)


def test_an_evaluator_that_lacks_a_module_ends_the_search(tmp_path: Path, small_space: NB101) -> None:
    def answers(number: int, value: float) -> Outcome:
        import no_such_module  # noqa: F401

        raise AssertionError

    with pytest.raises(UserError, match="the evaluator cannot run .*no_such_module.*: mend it, and continue"):
        run(tmp_path, Own(small_space, answers))
    assert recorded(tmp_path) == []
