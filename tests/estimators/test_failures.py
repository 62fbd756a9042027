"""Networks of which something could not be observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import accuracy
from sklearn.linear_model import BayesianRidge

from nas.acquisition import ExpectedImprovement, Mean, ThompsonSampling, UpperConfidenceBound
from nas.encoders import FeatureEncoder, Joined, Observed
from nas.errors import UserError
from nas.estimators import (
    GaussianProcess,
    GradientBoosting,
    MLPEnsemble,
    NearestNeighbours,
    NetworkEstimator,
    Regression,
    Score,
)
from nas.search import Search
from nas.spaces import NB101
from nas.strategies import BayesianOptimisation, LatentAscent, RegularizedEvolution
from nas.strategies.pools import FullPool, SmartPool
from nas.types import Batch, Features, Prediction, Space, top


class Flaky(Observed):
    """The accuracy, rounded to half points; it cannot be observed of every fifth network."""

    def observe(self, batch: Batch) -> Features:
        numbers = np.round(200 * accuracy(batch.space, batch.genes))
        numbers[self.failed(batch)] = np.nan
        return Features(numbers[:, None].astype(np.float32), np.ones(len(batch)))

    def identity(self) -> str:
        return "flaky"

    @staticmethod
    def failed(batch: Batch) -> np.ndarray:
        failed: np.ndarray = batch.keys % np.uint64(5) == 0
        return failed


def joined(space: Space) -> Joined:
    return Joined(space, {"genes": FeatureEncoder(space, features=["one_hot"]), "seen": Flaky(), "none": None})


MAKE: dict[str, Any] = {
    "regression": lambda space, encoder: Regression(space, encoder, BayesianRidge()),
    "boosting": lambda space, encoder: GradientBoosting(space, encoder, trees=20),
    "process": lambda space, encoder: GaussianProcess(space, encoder),
    "perceptrons": lambda space, encoder: MLPEnsemble(space, encoder, epochs=5),
    "neighbours": lambda space, encoder: NearestNeighbours(space, encoder, k=3),
}


@pytest.fixture(scope="module")
def cells(small_space: NB101) -> Batch:
    return small_space.batch(small_space.enumerate()[np.random.default_rng(0).permutation(2532)[:200]])


def predicted(estimator: NetworkEstimator, known: Batch, queries: Batch) -> Prediction:
    estimator.fit(known, accuracy(known.space, known.genes))
    return estimator.predict(queries)


@pytest.mark.parametrize("name", MAKE)
def test_they_are_left_out_of_the_fit_and_get_no_estimate(name: str, cells: Batch) -> None:
    known, queries = cells.take(slice(100)), cells.take(slice(100, 200))
    there, asked = ~Flaky.failed(known), ~Flaky.failed(queries)
    assert 50 < there.sum() < 95
    found = predicted(MAKE[name](cells.space, joined(cells.space)), known, queries)
    expected = predicted(MAKE[name](cells.space, joined(cells.space)), known.take(there), queries.take(asked))
    assert found.mean[asked] == pytest.approx(expected.mean, rel=1e-6)
    assert np.isnan(found.mean[~asked]).all()
    assert (found.std is None) == (expected.std is None)
    if found.std is not None:
        assert found.std[asked] == pytest.approx(expected.std, rel=1e-4, abs=1e-9)
        assert np.isnan(found.std[~asked]).all()
    estimator = MAKE[name](cells.space, joined(cells.space))
    assert np.isnan(predicted(estimator, known, queries.take(~asked)).mean).all()


@pytest.mark.parametrize("name", MAKE)
def test_a_fit_on_too_few_is_refused_and_one_on_more_is_as_if_nothing_had_been(name: str, cells: Batch) -> None:
    failed = Flaky.failed(cells)
    few = Batch.join([cells.take(failed), cells.take(~failed).take(slice(1))])
    estimator = MAKE[name](cells.space, joined(cells.space))
    with pytest.raises(UserError, match=r"^\w+ needs \d known .* could be observed, got 1 of \d+: the training of"):
        predicted(estimator, few, cells)
    with pytest.raises(RuntimeError, match="without calling fit"):
        estimator.predict(cells)
    again, fresh = (
        predicted(one, cells, cells).mean for one in (estimator, MAKE[name](cells.space, joined(cells.space)))
    )
    assert np.array_equal(again, fresh, equal_nan=True)


@pytest.mark.parametrize("acquisition", [Mean(), UpperConfidenceBound(), ExpectedImprovement(), ThompsonSampling()])
def test_what_has_no_estimate_is_evaluated_last(acquisition) -> None:
    prediction = Prediction(np.array([0.5, np.nan, 0.9, np.nan]), np.array([0.1, np.nan, 0.1, np.nan]))
    with np.errstate(all="raise"):
        scores = acquisition(prediction, 0.4, np.random.default_rng(0))
    assert np.isnan(scores).tolist() == [False, True, False, True]
    assert top(scores, 4)[2:].tolist() == [1, 3]


@pytest.mark.parametrize(
    "make", [lambda space: Score(space, Flaky()), lambda space: MAKE["regression"](space, joined(space))]
)
def test_a_search_goes_on_and_takes_them_last(make) -> None:
    space = NB101(max_vertices=4)
    search = Search(
        space,
        BayesianOptimisation(FullPool(space)),
        make(space),
        Mean(),
        initial=10,
        pool=1000,
        batch=3,
        budget=space.size,
    )
    batch, _ = told(search)
    assert len(search.trials) == space.size
    failed = Flaky.failed(batch)[10:]
    assert failed.sum() > 5
    assert failed[-failed.sum() :].all()
    assert np.isnan(search.trials.predicted_mean[10:]).tolist() == failed.tolist()


@pytest.mark.parametrize(
    "strategy",
    [lambda space: BayesianOptimisation(SmartPool(space)), RegularizedEvolution, LatentAscent],
)
def test_every_strategy_goes_on(strategy, small_space: NB101) -> None:
    estimator = MAKE["regression"](small_space, joined(small_space))
    search = Search(small_space, strategy(small_space), estimator, ThompsonSampling(), initial=10, pool=30, budget=40)
    batch, values = told(search)
    assert len(values) == 40
    assert not Flaky.failed(batch)[10:].any()
    assert values[10:].mean() > values[:10].mean()


def told(search: Search) -> tuple[Batch, np.ndarray]:
    """Drive a search to its end."""
    while asked := search.ask():
        search.tell(asked[0], float(accuracy(search.space, asked[0].batch.genes)[0]))
    return search.space.batch(search.trials.genes), search.trials.value
