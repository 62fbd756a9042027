"""What is known before: trials that are added, warm ones, and those that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from driven import spend, told, value

import nas
from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator
from nas.search import Search, Trials
from nas.spaces import NB101
from nas.strategies import RandomSearch
from nas.types import Outcome


def test_what_was_searched_is_known_of_a_run_whose_values_come_in_any_order(tmp_path: Path) -> None:
    def function(cell: dict[str, str]) -> dict[str, float]:
        size = sum(choice == "conv3x3-bn-relu" for choice in cell.values())
        return {"latency": float(size), "value": -float(size)}

    options = ["space.max_vertices=5", "strategy=random", "estimator=none", "budget=12"]
    run = nas.run(*options, function=function, folder=tmp_path)
    assert run.trials.value_name == "value"
    assert run.best.values == {"latency": 0.0, "value": 0.0}
    assert run.content["best"]["genes"] == run.best.genes
    assert nas.load(tmp_path).trials.value.tolist() == (-run.trials.values["latency"]).tolist()


def test_a_warm_start_that_was_stopped_is_read_to_its_end(tmp_path: Path, small_table: Path, monkeypatch) -> None:
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))
    options = ["space.max_vertices=5", "strategy=evolution", "estimator=ridge", "pool=60"]
    nas.run(*options, "budget=25", folder=tmp_path / "before")
    warm = [*options, "seed=3", "budget=8", f"warm_start={tmp_path / 'before' / 'history.jsonl'}"]
    whole = nas.run(*warm, folder=tmp_path / "whole")
    assert [trial.warm for trial in whole.trials] == [True] * 25 + [False] * 8
    nas.run(*warm, folder=tmp_path / "stopped")
    path = tmp_path / "stopped" / "history.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:9]))
    for name in ("result.json", "pending.json"):
        (path.parent / name).unlink(missing_ok=True)
    again = nas.run(*warm, folder=tmp_path / "stopped")
    assert [*again.trials] == [*whole.trials]


@pytest.mark.parametrize("known", [3, 10, 15, 25])
def test_what_is_added_goes_on_as_it_would_have(known: int, make) -> None:
    whole = spend(make(), 40)
    half = spend(make(), known)
    later = make()
    later.add(half.trials, half.unfinished)
    assert told(later) == told(half)
    assert told(spend(later, 40)) == told(whole)
    assert len(half.trials) == known  # what was added stays as it was


def test_trials_are_added_piece_by_piece(make) -> None:
    whole = spend(make(), 40)
    later = make()
    for rows in (range(10), range(10, 25)):
        part = Trials(len(later.space.cardinalities), "value")
        trials = [whole.trials[row] for row in rows]
        part.extend(trials, whole.trials.genes[rows], whole.trials.keys[rows])
        later.add(part)
    assert told(later) == told(whole)[:25]
    assert told(spend(later, 40)) == told(whole)


def test_what_is_marked_as_warm_stays_so(make) -> None:
    search, later = make(), spend(make(), 3)
    search.add(spend(make(seed=7), 4).trials, warm=True)
    later.add(search.trials)
    assert later.trials.warm.tolist() == [False] * 3 + [True] * 4


def test_trials_of_other_values_are_taken_by_their_names(small_space: NB101) -> None:
    before = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean(), value="loss")
    for candidate in before.ask(5):
        before.tell(candidate, {"loss": 3.0, "accuracy": value(candidate)})
    search = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean(), value="accuracy")
    search.add(before.trials)
    assert search.trials.value_name == "accuracy"
    assert search.trials.value.tolist() == before.trials.values["accuracy"].tolist()
    other = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean(), value="latency")
    with pytest.raises(UserError, match="the trials have no 'latency', only loss, accuracy"):
        other.add(before.trials)


def test_trials_of_another_space_are_refused(small_space: NB101, space: NB101) -> None:
    search = Search(space, RandomSearch(space), NoEstimator(space), Mean())
    before = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean())
    before.tell(before.ask()[0], 0.5)
    with pytest.raises(UserError, match="uint8 array of shape"):
        search.add(before.trials)


def test_warm_trials_are_known_and_not_charged(make) -> None:
    known = spend(make(seed=7), 30).trials
    search = make(budget=20)
    search.add(known, warm=True)
    assert search.trials.charged == 0
    assert search.trials.warm.all()
    assert search.best.values == known.best.values
    assert not known.warm.any()  # what was added stays as it was
    asked = search.ask(5)
    assert all(candidate.mean is not None for candidate in asked)  # the initial phase is known already
    for candidate in asked:
        search.tell(candidate, value(candidate))
    spend(search, 99, n=5)
    assert (search.trials.charged, len(search.trials)) == (20, 50)
    assert len({trial.key for trial in search.trials}) == 50
    assert [trial.warm for trial in search.trials] == [True] * 30 + [False] * 20


@pytest.mark.parametrize("warm", [True, False])
def test_few_known_trials_shorten_the_initial_phase(warm: bool, make) -> None:
    search = make()
    search.add(spend(make(seed=7), 4).trials, warm=warm)
    spend(search, 20)
    assert [trial.predicted_mean is not None for trial in search.trials][4:] == [False] * 6 + [True] * 10


def test_failed_trials_are_asked_for_again_first(make) -> None:
    search = make()
    for number, candidate in enumerate(search.ask(10)):
        search.tell(candidate, Outcome.failed("killed", 1.0) if number in (2, 7) else value(candidate))
    assert search.retry_failed() == 2
    first, second = search.ask(2)
    assert ([first.step, second.step], [first.genes.tolist(), second.genes.tolist()]) == (
        [2, 7],
        search.trials.genes[[2, 7]].tolist(),
    )
    search.tell(first, Outcome({"value": 0.99}, 3.0))
    search.tell(second, Outcome.failed("killed again", 1.0))
    assert (search.best.step, search.best.seconds, search.trials.failures, len(search.trials)) == (2, 4.0, 1, 10)
    assert search.trials[7].error == "killed again"
    assert spend(search, 30).trials.charged == 30


def test_repetitions_are_not_of_the_budget(make) -> None:
    search = make(budget=12)
    for number, candidate in enumerate(search.ask(10)):
        search.tell(candidate, Outcome.failed("killed") if number in (2, 7) else value(candidate))
    search.retry_failed()
    asked = search.ask(9)
    assert [candidate.step for candidate in asked] == [2, 7, None, None]
    assert search.allocated == 12


def test_repetitions_are_asked_for_where_the_budget_is_spent(make) -> None:
    search = make(budget=10)
    for candidate in search.ask(10):
        search.tell(candidate, value(candidate))
    search.budget = 11
    search.tell(replace(search.ask()[0], mean=0.5, std=0.25), Outcome.failed("killed"))
    search.retry_failed()
    [again] = search.ask(3)
    assert (again.step, again.mean, again.std, again.origin) == (10, 0.5, 0.25, search.trials[10].proposed_by)
    told = []
    search.strategy.tell = lambda batch, values: told.append((batch.keys.tolist(), values.tolist()))
    search.tell(again, Outcome.failed("killed again"))
    search.tell(again, 0.75)
    assert told == [(again.batch.keys.tolist(), [0.75])]
