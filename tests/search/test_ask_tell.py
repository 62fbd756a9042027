"""A search that is driven by hand: `ask` and `tell`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import ROUND, keys, spend, told, value

import nas
from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator, Ridge
from nas.search import Search
from nas.search.search import Phases
from nas.spaces import NB101
from nas.strategies import RandomSearch, RegularizedEvolution
from nas.types import Outcome


def test_by_hand_it_finds_what_a_run_finds(tmp_path: Path, small_table: Path, evaluator, monkeypatch) -> None:
    """The whole program, with the same parts and seed, against five lines."""
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))
    options = ["space.max_vertices=5", "strategy=evolution", "estimator=ridge", "seed=4", "budget=40", "pool=60",
               "batch=3", "initial=12"]  # fmt: skip
    run = nas.run(*options, folder=tmp_path)
    space = evaluator.space
    search = nas.Search(
        space, RegularizedEvolution(space, **_defaults("population", "tournament", of=run)),
        Ridge(space, **_defaults("alpha", of=run, part="estimator")), Mean(),
        seed=4, initial=12, pool=60, batch=3, budget=40, value=evaluator.value,
    )  # fmt: skip
    while asked := search.ask():
        found = evaluator.evaluate(asked[0].batch)
        search.tell(asked[0], {evaluator.value: found.value[0]})
    assert [trial.key for trial in search.trials] == [trial.key for trial in run.trials]
    for name in ("values", "predicted_mean", "proposed_by", "genes"):
        assert [getattr(trial, name) for trial in search.trials] == [getattr(trial, name) for trial in run.trials]
    assert search.best.step == run.best.step
    assert len(search.trials) == 40


def _defaults(*names: str, of: Any, part: str = "strategy") -> dict[str, Any]:
    return {name: of.record[part][name] for name in names}


def test_one_by_one_and_in_rounds_is_the_same_where_all_are_told_in_order(make) -> None:
    one, rounds = make(budget=40), make(budget=40)
    spend(one, 40)
    while asked := rounds.ask():
        asked += rounds.ask(len(rounds.unfinished) - 1)
        for candidate in asked:
            rounds.tell(candidate, value(candidate))
    assert told(one) == told(rounds)
    assert len({trial.key for trial in one.trials}) == 40
    assert one.rounds == rounds.rounds


def test_what_is_not_said_is_as_documented(small_space: NB101) -> None:
    search = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean())
    assert (search.seed, search.initial, search.pool, search.batch, search.budget) == (0, 20, 1000, 1, None)
    assert (search.rounds, search.estimated, search.phases, search.unfinished) == (0, False, {}, [])


def test_estimates_begin_after_the_initial_phase(make) -> None:
    phases = Phases()
    search = spend(make(phases=phases), 30)
    assert {*phases} == {"ask", "fit", "predict"}
    assert [trial.predicted_mean is not None for trial in search.trials] == [False] * 10 + [True] * 20
    assert search.estimated


def test_pending_candidates_are_never_proposed_again(make) -> None:
    search = spend(make(), 20)
    asked = search.ask(40)
    assert len(set(keys(asked))) == 40
    assert not set(keys(asked)) & {trial.key for trial in search.trials}
    assert search.allocated == 60
    assert keys(search.unfinished)[:40] == keys(asked)
    for candidate in asked[::-1][:10]:  # told in another order
        search.tell(candidate, value(candidate))
    more = search.ask(20)
    assert not set(keys(more)) & {*keys(asked), *(trial.key for trial in search.trials)}
    assert len(search.trials) == 30


def test_a_candidate_is_told_once(make) -> None:
    search = make()
    candidate, other, *_ = search.ask(5)
    search.tell(candidate, 0.5)
    for again in (candidate, candidate.genes):
        with pytest.raises(UserError, match=f"with key {candidate.key} was told before"):
            search.tell(again, 0.75)
    spent = make()
    spent.tell(other, 0.25)
    search.add(spent.trials)  # what is known now is pending no more
    assert other.key not in keys(search.unfinished)
    assert search.allocated == 5


@pytest.mark.parametrize("how", [list, tuple, np.array, np.uint8])
def test_genes_that_were_not_asked_for_are_told(how, make) -> None:
    search, other = make(), make()
    genes = other.tell(other.ask()[0], 0.5).genes
    assert search.tell(how(genes), 0.5).genes == genes
    for wrong in ([1.5, 2], [300] * len(genes), [-1] * len(genes), genes[:-1]):
        with pytest.raises(UserError):
            search.tell(wrong, 0.5)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"initial": 0}, "initial is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"pool": 3, "batch": 4}, "pool is 3, must be at least 4"),
    ],
)
def test_numbers_out_of_range_are_refused(option: dict[str, int], message: str, make) -> None:
    with pytest.raises(UserError, match=message):
        make(**option)


def test_more_than_the_initial_phase_waits_for_what_the_estimator_needs(make) -> None:
    search = make()
    asked = search.ask(30)
    assert len(asked) == ROUND["initial"]  # ridge needs known architectures
    assert search.ask(5) == []
    search.tell(asked[0], 0.5)
    search.tell(asked[1], 0.75)
    assert len(search.ask(5)) == 5
    assert [one.mean is None for one in search.unfinished] == [True] * 8 + [False] * 5


def test_without_an_estimator_nothing_waits(make, small_space: NB101) -> None:
    search = make(NoEstimator(small_space))
    assert len(set(keys(search.ask(30)))) == 30
    assert not search.estimated


def test_failed_trials_do_not_count_as_known_to_the_estimator(make) -> None:
    search = make()
    for candidate in search.ask(10):
        search.tell(candidate, Outcome.failed("too large"))
    assert search.best is None
    for number in range(2):  # one after the other, until ridge knows what it needs
        [candidate] = search.ask(3)
        assert candidate.mean is None
        search.tell(candidate, 0.5 + number / 10)
    assert all(candidate.mean is not None for candidate in search.ask(3))
    assert spend(search, 40).trials.failures == 10
    assert search.best.values["value"] >= 0.6


def test_the_budget_ends_it(make) -> None:
    search = make(budget=23)
    asked = search.ask(10)
    assert keys(asked) == keys(search.unfinished)
    for candidate in asked:
        search.tell(candidate, value(candidate))
    spend(search, 99, n=4)
    assert len(search.trials) == 23
    assert search.ask(5) == []
    assert search.unfinished == []  # nothing was chosen beyond it
    search.budget = 26
    assert len(spend(search, 99, n=2).trials) == 26


def test_an_architecture_that_was_not_asked_for_is_a_trial_like_any_other(make, small_space: NB101) -> None:
    search = spend(make(), 15)
    archs = small_space.enumerate()
    mine = archs[~np.isin(small_space.keys(archs), search.trials.keys)][100]
    trial = search.tell(mine, 0.99)
    assert (trial.step, trial.proposed_by, trial.values) == (15, "told", {"value": 0.99})
    assert trial.genes == mine.tolist()
    assert search.best == trial
    later = search.ask(60)
    assert trial.key not in keys(later)
    assert search.trials.charged == 16


def test_what_is_told_before_it_is_asked_for_is_not_asked_for(make) -> None:
    search = make()
    first = search.ask()[0]
    following = search.unfinished[1:]
    assert len(following) == 9
    for candidate in following[2:5]:
        search.tell(candidate.genes, 0.5)
    rest = search.ask(6)
    assert keys(rest) == keys([*following[:2], *following[5:]])
    for candidate in [first, *rest]:
        search.tell(candidate, 0.5)
    assert Counter(trial.key for trial in search.trials) == Counter({first.key: 1, **dict.fromkeys(keys(following), 1)})
    assert search.unfinished == []


def test_genes_stand_for_the_candidate_that_is_pending(make) -> None:
    search = spend(make(), 20)
    asked = search.ask(2)[1]
    trial = search.tell(asked.genes, 0.5)
    assert (trial.predicted_mean, trial.proposed_by) == (asked.mean, asked.origin)
    assert asked.key not in keys(search.unfinished)


def test_what_was_told_besides_counts_towards_the_budget(make, small_space: NB101) -> None:
    search = make(budget=10)
    search.ask()
    archs = small_space.enumerate()[::200][:6]
    new = [arch for arch in archs if f"{small_space.keys(arch[None])[0]:016x}" not in keys(search.unfinished)]
    for arch in new:
        search.tell(arch, 0.5)
    search.ask(50)
    assert search.allocated == 10


@pytest.mark.parametrize("arch", [[9] * 13, [0] * 3, "x", 5, None, [[0] * 13]])
def test_what_is_no_architecture_is_refused(arch, make) -> None:
    search = make()
    given = arch if not isinstance(arch, list) else np.array(arch, dtype=np.uint8)
    with pytest.raises(UserError, match="architecture"):
        search.tell(given, 0.5)
    assert len(search.trials) == 0


@pytest.mark.parametrize(
    ("outcome", "values", "error"),
    [
        (np.float32(0.5), {"value": 0.5}, None),
        (3, {"value": 3.0}, None),
        ({"value": 0.5, "latency": np.int64(7)}, {"value": 0.5, "latency": 7.0}, None),
        (Outcome({"value": 0.25}, 3.0), {"value": 0.25}, None),
        (float("nan"), {}, "value is nan, must be finite"),
        (float("-inf"), {}, "value is -inf, must be finite"),
        (None, {}, "value is None, must be a number"),
        ("good", {}, "value is 'good', must be a number"),
        ("0.5", {}, "value is '0.5', must be a number"),
        (10**400, {}, "value is inf, must be finite"),
        ({"value": np.nan, "latency": 3}, {}, "value is nan, must be finite"),
        ({"latency": 3.0, "size": 2}, {}, "there is no 'value' among its values (latency, size)"),
        ({}, {}, "neither a value nor an error was given"),
        (Outcome({"latency": 3.0}, 4.0), {}, "there is no 'value' among its values (latency)"),
        (Outcome.failed("too large", 2.0), {}, "too large"),
    ],
)
def test_any_number_is_a_value_and_what_is_none_a_failed_trial(outcome, values, error, small_space: NB101) -> None:
    search = Search(small_space, RandomSearch(small_space), NoEstimator(small_space), Mean())
    trial = search.tell(search.ask()[0], outcome)
    assert (trial.values, trial.error) == (values, error)
    assert search.trials.failures == (error is not None)
    assert (search.best is None) == (error is not None)
    if isinstance(outcome, Outcome):
        assert trial.seconds == outcome.seconds
    json.dumps(vars(trial), allow_nan=False)
