"""The loop, with one evaluation at a time and with several."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import accuracy

from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator, Ridge
from nas.search import Callback, Search, Trial, Trials
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.strategies import LocalSearch, RandomSearch, RegularizedEvolution
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
        self.told: list[Trial] = []
        self.ended = 0

    def on_trial(self, search: Search, trial: Trial) -> None:
        self.told.append(trial)
        if len(search.trials) == self.at:
            raise StoppedError

    def on_end(self, search: Search) -> None:
        self.ended += 1


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


def keys(trials: Trials) -> list[int]:
    return trials.keys.tolist()


def test_all_slots_are_used_and_nothing_is_evaluated_twice(tmp_path: Path, small_space: NB101) -> None:
    evaluator = Threads(small_space, slots=4)
    trials = run(tmp_path, evaluator)
    assert len(trials) == len(set(evaluator.started)) == BUDGET
    assert max(evaluator.at_once) == 4
    predicted = [trial.predicted_mean is not None for trial in trials]
    assert not any(predicted[: ROUND["initial"] - 4])
    assert all(predicted[ROUND["initial"] + 4 :])


@pytest.mark.parametrize("slots", [1, 3])
def test_what_is_recorded_is_what_was_told(slots: int, tmp_path: Path, small_space: NB101, caplog) -> None:
    stop = Stop()
    trials = run(tmp_path, Threads(small_space, slots, fails=lambda value: value > 0.902), stop=stop)
    assert [trial.step for trial in stop.told] == list(range(BUDGET))
    assert stop.told == [*trials]
    assert stop.ended == 1
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
    done = set(keys(trials)[: before.count(b"\n")])
    lost = [key for key in first.started if key not in done]
    assert lost
    assert second.started[: len(lost)] == lost
    assert len(trials) == len(set(keys(trials))) == BUDGET
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
    assert keys(again) == keys(trials)


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
    assert stop.ended == 1
    with Journal(tmp_path) as journal:
        trials, unfinished = journal.read(small_space, "accuracy")
    assert len(unfinished) == ROUND["initial"] - 3  # the one that raised is not lost
    assert not set(keys(trials)) & {int(one.batch.keys[0]) for one in unfinished}


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


@pytest.mark.parametrize("slots", [1, 3])
def test_failed_trials_can_be_tried_again_and_are_charged_once(slots: int, tmp_path: Path, small_space: NB101) -> None:
    before = run(tmp_path, Threads(small_space, slots, fails=lambda value: value > 0.9))
    failed = [trial.step for trial in before if trial.error]
    limit = np.median(accuracy(small_space, before.genes[failed]))
    again = Threads(small_space, slots, fails=lambda value: value > limit)
    after = run(tmp_path, again, retry=True)
    assert sorted(again.started) == sorted(before.keys[failed].tolist())
    assert keys(after) == keys(before)
    assert after.seconds.tolist() == [2.0 if step in failed else 1.0 for step in range(BUDGET)]
    assert len(recorded(tmp_path)) == BUDGET + len(failed)
    still = [step for step in failed if after[step].error]
    assert 0 < len(still) == after.failures < len(failed)
    for step in set(failed) - set(still):
        assert after[step].values["accuracy"] == pytest.approx(float(accuracy(small_space, before.genes[[step]])[0]))
        assert after[step].error is None
    best = int(np.nanargmax(after.value))
    assert after.best.step == best
    with Journal(tmp_path) as journal:
        read, unfinished = journal.read(small_space, "accuracy")
    assert [*read] == [*after]
    assert not unfinished
    more = run(tmp_path, Threads(small_space, slots), budget=BUDGET + 5)
    assert len(more) == len(set(keys(more))) == BUDGET + 5


@pytest.mark.parametrize("strategy", ["evolution", "local"])
def test_a_search_whose_failed_trials_were_repeated_continues_into_the_same_history(
    strategy: str, tmp_path: Path, small_space: NB101
) -> None:
    """What was repeated late came late, to a strategy that forgets the oldest, too."""

    def go_on(folder: Path, threshold: float, budget: int, **options: Any) -> None:
        evaluator = Threads(small_space, 1, fails=lambda value: value > threshold)
        make = {"evolution": lambda space: RegularizedEvolution(space, 12, 5), "local": LocalSearch}[strategy]
        none = NoEstimator(small_space)  # what the strategy proposes first is evaluated
        run(folder, evaluator, strategy=make(small_space), estimator=none, budget=budget, **options)

    for name in ("whole", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        go_on(folder, 0.899, BUDGET)
    failed = [line["step"] for line in recorded(tmp_path / "whole") if not line["values"]]
    assert len(failed) > 5
    go_on(tmp_path / "whole", 1.0, BUDGET + 20, retry=True)
    with pytest.raises(StoppedError):
        go_on(tmp_path / "stopped", 1.0, BUDGET + 20, retry=True, stop=Stop(BUDGET + 6))
    go_on(tmp_path / "stopped", 1.0, BUDGET + 20)
    lines = recorded(tmp_path / "whole")
    assert lines == recorded(tmp_path / "stopped")
    assert len(lines) == BUDGET + 20 + len(failed)


def test_a_retry_that_was_stopped_is_done_again(tmp_path: Path, small_space: NB101) -> None:
    before = run(tmp_path, Threads(small_space, 1, fails=lambda value: value > 0.902))
    failed = [trial.key for trial in before if trial.error]
    assert len(failed) > 2

    class StopAtOnce(Callback):
        def on_trial(self, search: Search, trial: Trial) -> None:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(tmp_path, Threads(small_space, 1), stop=StopAtOnce(), retry=True)
    rest = Threads(small_space, 1)
    after = run(tmp_path, rest)
    assert [f"{key:016x}" for key in rest.started] == failed[1:]
    assert after.failures == 0


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


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path, caplog) -> None:
    tiny = NB101(max_vertices=4)
    evaluator = Own(tiny, lambda _, value: Outcome({"accuracy": value}))
    trials = run(tmp_path, evaluator, budget=200)
    assert len(trials) == len(set(keys(trials))) == 91
    assert "the space is used up after 91 evaluations" in caplog.text


def test_a_journal_is_of_one_process(tmp_path: Path, small_space: NB101) -> None:
    with Journal(tmp_path), pytest.raises(UserError, match="is being written by another process"):
        Journal(tmp_path)
