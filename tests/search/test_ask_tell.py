"""A search that is driven by hand: `ask`, `tell`, `add`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Mirror, accuracy

import nas
from nas.acquisition import Mean
from nas.errors import UserError
from nas.estimators import NoEstimator, Ridge
from nas.search import Callback, Search, Trials
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, LocalSearch, RandomSearch, RegularizedEvolution, SmartPool
from nas.types import Batch, Candidate, Outcome, Prediction, Values

ROUND = {"initial": 10, "pool": 60, "batch": 5}
SHARES = {"mutations": [0.3, 0.2], "crossover": 0.2, "latent": 0.1, "radius": 1.0}


def smart(space: NB101, estimator: Any) -> BayesianOptimisation:
    return BayesianOptimisation(SmartPool(space, Mirror(space), generations=3, parents=10, **SHARES))


STRATEGIES = {
    "bayesian": smart,
    "evolution": lambda space, _: RegularizedEvolution(space, 20, 5),
    "local": lambda space, _: LocalSearch(space),
    "random": lambda space, _: RandomSearch(space),
}


@pytest.fixture(params=STRATEGIES)
def make(request, small_space: NB101):
    """Makes a search that knows nothing yet."""

    def make(estimator: Any = None, **options: Any) -> Search:
        estimator = estimator or Ridge(small_space, 10.0)
        strategy = STRATEGIES[request.param](small_space, estimator)
        return Search(small_space, strategy, estimator, Mean(), **{**ROUND, **options})

    return make


def value(candidate: Candidate) -> float:
    return float(accuracy(candidate.batch.space, candidate.batch.genes)[0])


def spend(search: Search, budget: int, n: int = 1) -> Search:
    """Ask for `n` and tell all of them, until so many trials are known."""
    while len(search.trials) < budget and (asked := search.ask(min(n, budget - len(search.trials)))):
        for candidate in asked:
            search.tell(candidate, value(candidate))
    return search


def told(search: Search) -> list[dict[str, Any]]:
    return [vars(trial) for trial in search.trials]


def keys(candidates: list[Candidate]) -> list[str]:
    return [candidate.key for candidate in candidates]


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


def test_estimates_begin_after_the_initial_phase(make) -> None:
    search = spend(make(), 30)
    assert [trial.predicted_mean is not None for trial in search.trials] == [False] * 10 + [True] * 20
    assert search.estimated


def test_pending_candidates_are_never_proposed_again(make) -> None:
    search = spend(make(), 20)
    asked = search.ask(40)
    assert len(set(keys(asked))) == 40
    assert not set(keys(asked)) & {trial.key for trial in search.trials}
    assert search.begun == 60
    assert keys(search.unfinished)[:40] == keys(asked)
    for candidate in asked[::-1][:10]:  # told in another order
        search.tell(candidate, value(candidate))
    more = search.ask(20)
    assert not set(keys(more)) & {*keys(asked), *(trial.key for trial in search.trials)}
    assert len(search.trials) == 30


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
    asked = make(NoEstimator(small_space)).ask(30)
    assert len(set(keys(asked))) == 30


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
    assert search.begun == 10


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
        ({"value": np.nan, "latency": 3}, {}, "value is nan, must be finite"),
        ({"latency": 3.0}, {}, "there is no 'value' among its values (latency)"),
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


def test_few_warm_trials_shorten_the_initial_phase(make) -> None:
    search = make()
    search.add(spend(make(seed=7), 4).trials, warm=True)
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
    assert search.begun == 12


def test_the_random_numbers_of_a_round_follow_from_the_seed_and_what_was_begun(make) -> None:
    search = make(seed=3)
    ask, states, begun = search.strategy.ask, [], []

    def spied(n: int, rng: np.random.Generator, *arguments: Any) -> Any:
        states.append(rng.bit_generator.state)
        begun.append(search.begun)
        return ask(n, rng, *arguments)

    search.strategy.ask = spied  # type: ignore[method-assign]
    spend(search, 20)
    search.ask(6)
    assert begun[:3] == [0, 10, 15]
    assert len(set(begun)) == len(begun) >= 5
    assert states == [np.random.default_rng([3, number]).bit_generator.state for number in begun]


def test_what_estimates_cost_is_charged_once_a_round(small_space: NB101) -> None:
    class Costly(Plain):
        def predict(self, batch: Batch) -> Prediction:
            return replace(super().predict(batch), seconds=float(len(batch)))

    estimator = Costly()
    search = Search(small_space, smart(small_space, estimator), estimator, Mean(), **ROUND)
    charged = spend(search, 40).trials.estimate_seconds
    assert charged.sum() == sum(estimator.predicted)
    assert (np.flatnonzero(charged) == np.arange(10, 40, 5)).all()


class Plain:
    """An estimator that follows the protocol and nothing else."""

    min_trials, gives_std = 2, False

    def __init__(self) -> None:
        self.fits: list[int] = []
        self.predicted: list[int] = []
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def fit(self, batch: Batch, values: Values) -> None:
        assert len(batch) == len(values)
        self.fits.append(len(batch))
        self.best = batch.canonical[values.argmax()]

    def predict(self, batch: Batch) -> Prediction:
        self.predicted.append(len(batch))
        return Prediction(-(batch.canonical != self.best).sum(axis=1).astype(np.float64))


@pytest.mark.parametrize("n", [1, 5])
def test_an_estimator_that_follows_the_protocol_is_fitted_once_a_round_and_asked_once_for_each(n: int, make) -> None:
    estimator = Plain()
    search = make(estimator)
    ask = search.strategy.ask
    fitted_before: list[int] = []
    proposed: list[int] = []

    def spied(*arguments: Any) -> Any:
        before = len(estimator.fits)
        proposal = ask(*arguments)
        assert len(estimator.fits) == before  # a strategy never fits it
        fitted_before.append(before)
        proposed.append(len(proposal))
        return proposal

    search.strategy.ask = spied  # type: ignore[method-assign]
    spend(search, 40, n)
    rounds = search.rounds - 1  # the first is the initial phase
    assert rounds >= 6
    assert len(estimator.fits) == rounds
    assert estimator.fits[0] == 10
    assert all(np.diff(estimator.fits) >= 0)
    assert fitted_before == list(range(rounds + 1))
    assert sum(estimator.predicted) <= 1.2 * sum(proposed[1:])
    assert all(trial.predicted_mean is not None for trial in [*search.trials][10:])


class Measured:
    """Evaluates at once, by a space of its own, whose canonical forms are not counted."""

    slots, value = 1, "accuracy"

    def __init__(self, space: NB101) -> None:
        self.space = space

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(Outcome({self.value: accuracy(self.space, candidate.batch.genes)[0]}))
        return future


def pool(space: NB101, estimator: Any, mutations: list[float]) -> BayesianOptimisation:
    shares = {**SHARES, "mutations": mutations, "crossover": 0.0, "latent": 0.0}
    return BayesianOptimisation(SmartPool(space, Mirror(space), generations=2, parents=20, **shares))


def counted(function: Callable[..., Any], counts: list[int], valid: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes how many architectures it gives."""

    def counted(*arguments: Any) -> Any:
        result = function(*arguments)
        counts.append(valid(result[0] if isinstance(result, tuple) else result).sum())
        return result

    return counted


@pytest.mark.parametrize(
    "make_strategy",
    [lambda space, estimator: pool(space, estimator, [0.8]), STRATEGIES["evolution"], STRATEGIES["local"]],
    ids=["bayesian", "evolution", "local"],
)
def test_a_candidate_is_brought_to_canonical_form_once(
    make_strategy, tmp_path: Path, space: NB101, monkeypatch
) -> None:
    """On its whole way, from the move that makes it to its line in the journal."""
    made, rows, _ = _spent(make_strategy, tmp_path, space, monkeypatch)
    assert sum(rows) == sum(made)


def test_a_pool_takes_three_canonical_forms_for_each_of_its_candidates(
    tmp_path: Path, space: NB101, monkeypatch
) -> None:
    """It makes more than it needs, for those that are known already."""
    _, rows, proposed = _spent(lambda *parts: pool(*parts, [0.4, 0.4]), tmp_path, space, monkeypatch)
    assert sum(rows) <= 3 * sum(proposed)


def _spent(make_strategy, folder: Path, space: NB101, monkeypatch) -> tuple[list[int], list[int], list[int]]:
    """Search; return how many architectures were made, brought to canonical form, and proposed, in parts."""
    space.sample(1, np.random.default_rng(0))  # enumerates the space, once
    made, rows, proposed = [], [], []
    valid = space.valid
    for name, counts in {"canonical": rows, "sample": made, "perturb": made, "_one_gene_changed": made}.items():
        monkeypatch.setattr(space, name, counted(getattr(space, name), counts, valid))
    estimator = Ridge(space, 10.0)
    strategy = make_strategy(space, estimator)
    ask = strategy.ask
    strategy.ask = lambda *arguments: counted(ask, proposed, lambda proposal: np.array(len(proposal)))(*arguments)
    search = Search(space, strategy, estimator, Mean(), initial=20, pool=300, batch=5, budget=60, value=Measured.value)
    with Journal(folder) as journal:
        search.add(*journal.read(space, Measured.value))
        run_search(search, Measured(NB101()), journal, 60, Callback())
    assert len(search.trials) == 60
    return made, rows, proposed


class Spy:
    """An acquisition that keeps what it is given, and draws."""

    needs_std = False

    def __init__(self) -> None:
        self.best: list[float] = []
        self.drawn: list[float] = []
        self.means: list[list[float]] = []

    def __call__(self, prediction: Prediction, best: float, rng: np.random.Generator) -> Values:
        self.best.append(best)
        self.drawn.append(float(rng.random()))
        self.means.append(prediction.mean.tolist())
        return -prediction.mean


def test_the_acquisition_is_given_estimates_the_best_value_and_random_numbers_of_the_round(small_space: NB101) -> None:
    def spent(seed: int) -> tuple[Search, Spy]:
        estimator, spy = Ridge(small_space, 10.0), Spy()
        strategy = RegularizedEvolution(small_space, 20, 5)
        return spend(Search(small_space, strategy, estimator, spy, seed=seed, **ROUND), 40), spy

    search, spy = spent(0)
    values = search.trials.value
    assert spy.best == [values[: 10 + 5 * round_].max() for round_ in range(6)]
    assert len(set(spy.drawn)) == 6
    assert not set(spy.drawn) & set(spent(1)[1].drawn)
    assert spent(0)[1].drawn == spy.drawn
    for round_, means in enumerate(spy.means):  # the highest scores are evaluated, best first
        rows = range(10 + 5 * round_, 15 + 5 * round_)
        assert [search.trials[row].predicted_mean for row in rows] == sorted(means)[:5]


def test_the_search_asks_for_no_estimates_that_the_strategy_has(small_space: NB101) -> None:
    """A pool in generations is estimated part by part; the search ranks by those estimates."""
    estimator = Plain()
    search = Search(small_space, smart(small_space, estimator), estimator, Mean(), **{**ROUND, "pool": 90})
    for candidate in search.ask(10):
        search.tell(candidate, value(candidate))
    search.ask()
    assert estimator.predicted == [30, 30, 30]
