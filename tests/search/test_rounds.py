"""What a round of the search asks of its parts, and how often."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import ROUND, SHARES, STRATEGIES, Plain, smart, spend, value
from helpers import Mirror, accuracy

from nas.acquisition import Mean
from nas.estimators import Ridge
from nas.search import Callback, Search
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, RegularizedEvolution, SmartPool
from nas.types import Batch, Candidate, Outcome, Prediction, Values


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


def test_what_estimates_cost_is_charged_once_a_round(small_space: NB101) -> None:
    class Costly(Plain):
        def predict(self, batch: Batch) -> Prediction:
            return replace(super().predict(batch), seconds=float(len(batch)))

    estimator = Costly()
    search = Search(small_space, smart(small_space, estimator), estimator, Mean(), **ROUND)
    charged = spend(search, 40).trials.estimate_seconds
    assert charged.sum() == sum(estimator.predicted)
    assert (np.flatnonzero(charged) == np.arange(10, 40, 5)).all()


def test_the_random_numbers_of_a_round_follow_from_the_seed_and_what_was_allocated(make) -> None:
    search = make(seed=3)
    ask, states, allocated, asked = search.strategy.ask, [], [], []

    def spied(n: int, rng: np.random.Generator, *arguments: Any) -> Any:
        states.append(rng.bit_generator.state)
        allocated.append(search.allocated)
        asked.append(n)
        return ask(n, rng, *arguments)

    search.strategy.ask = spied  # type: ignore[method-assign]
    spend(search, 20)
    search.ask(6)
    assert allocated[:3] == [0, 10, 15]
    assert asked == [10, *[ROUND["pool"]] * (len(asked) - 1)]
    assert len(set(allocated)) == len(allocated) >= 5
    assert states == [np.random.default_rng([3, number]).bit_generator.state for number in allocated]


class Unsure(Plain):
    """Keeps what it was fitted to, and gives standard deviations; from the second time on it knows nothing."""

    def fit(self, batch: Batch, values: Values) -> None:
        super().fit(batch, values)
        self.keys, self.values = batch.keys.tolist(), values.tolist()

    def predict(self, batch: Batch) -> Prediction:
        mean = super().predict(batch).mean
        return Prediction(mean if len(self.predicted) == 1 else np.full(len(mean), np.nan), np.arange(len(mean)) / 64)


def unsure(space: NB101) -> tuple[Search, Unsure]:
    """A search of which ten are asked for, and eight are told."""
    estimator = Unsure()
    search = Search(space, RegularizedEvolution(space, 20, 5), estimator, Mean(), initial=10, pool=60, batch=2)
    for candidate in search.ask(10)[:8]:
        search.tell(candidate, value(candidate))
    return search, estimator


def test_what_is_pending_is_believed_to_be_worth_its_estimate(small_space: NB101) -> None:
    search, estimator = unsure(small_space)
    known = search.trials.value.tolist()
    for _ in range(2):
        pending = search.unfinished
        search.ask(2)
        assert estimator.keys == [*search.trials.keys.tolist(), *(int(one.batch.keys[0]) for one in pending)]
        believed = [np.mean(known) if one.mean is None else one.mean for one in pending]
        assert estimator.values == pytest.approx([*known, *believed])
    assert [one.mean is None for one in pending] == [True, True, False, False]
    search.believe = lambda pending, values: []
    search.ask()
    assert estimator.values == known


def test_a_candidate_carries_what_was_thought_of_it(small_space: NB101) -> None:
    search, _ = unsure(small_space)
    ask, proposals = search.strategy.ask, []
    search.strategy.ask = lambda *arguments: proposals.append(ask(*arguments)) or proposals[-1]  # type: ignore[method-assign]
    asked = search.ask(2)
    for candidate in asked:
        [row] = np.flatnonzero(proposals[0].batch.keys == candidate.batch.keys[0])
        assert (candidate.std, candidate.origin) == (row / 64, proposals[0].origin[row])
        assert candidate.mean is not None
    assert [one.mean for one in search.ask(2)] == [None, None]  # it knows nothing any more
    assert not search.estimated
    search.tell(asked[0], 0.5)
    assert search.estimated
