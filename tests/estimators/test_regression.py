"""Regressors on encoders, and scores."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy, node
from scipy.optimize import isotonic_regression
from scipy.stats import kendalltau
from sklearn.linear_model import BayesianRidge

from nas._config import build
from nas.encoders import FeatureEncoder, GraphEncoder, Joined, Observed
from nas.errors import UserError
from nas.estimators import EmProx, MLPEnsemble, Regression, Score
from nas.spaces import NB101, NB201
from nas.types import Batch, Features


@pytest.fixture(scope="module")
def cells() -> Batch:
    space = NB101(max_vertices=5)
    return space.batch(space.enumerate()[np.random.default_rng(0).permutation(2532)[:400]])


class Told(Observed):
    """Numbers that are known of each network, at a price of 2 seconds."""

    def __init__(self, batch: Batch, numbers: np.ndarray) -> None:
        super().__init__()
        self.numbers = dict(zip(batch.keys.tolist(), numbers.tolist(), strict=True))

    def observe(self, batch: Batch) -> Features:
        values = np.array([[self.numbers[key]] for key in batch.keys.tolist()], dtype=np.float32)
        return Features(values.reshape(len(batch), 1), np.full(len(batch), 2.0))

    def identity(self) -> str:
        return "told"


def test_a_regression_is_that_of_standardised_values(cells: Batch) -> None:
    values = accuracy(cells.space, cells.genes)
    encoder = FeatureEncoder(cells.space, features=["one_hot"])
    estimator = Regression(cells.space, encoder, BayesianRidge())
    estimator.fit(cells.take(slice(100)), values[:100])
    found = estimator.predict(cells.take(slice(100, 200)))
    mean, deviation = values[:100].mean(), values[:100].std()
    model = BayesianRidge().fit(cells.one_hot()[:100], (values[:100] - mean) / deviation)
    expected, spread = model.predict(cells.one_hot()[100:200], return_std=True)
    assert found.mean == pytest.approx(mean + deviation * expected, rel=1e-5)
    assert found.std == pytest.approx(deviation * spread, rel=1e-4)


def test_normal_scores_do_not_know_the_unit(cells: Batch) -> None:
    values = accuracy(cells.space, cells.genes)[:100]
    encoder = FeatureEncoder(cells.space, features=["one_hot"])
    order = []
    for told in (values, np.exp(5 * values)):
        estimator = Regression(cells.space, encoder, BayesianRidge(), target="normal")
        estimator.fit(cells.take(slice(100)), told)
        order.append(np.argsort(estimator.predict(cells.take(slice(100, 200))).mean).tolist())
    assert order[0] == order[1]


def test_values_that_are_all_the_same_are_estimated(cells: Batch) -> None:
    estimator = Regression(cells.space, FeatureEncoder(cells.space, features=["one_hot"]), BayesianRidge())
    estimator.fit(cells.take(slice(10)), np.full(10, 0.9))
    assert estimator.predict(cells.take(slice(10, 20))).mean == pytest.approx(np.full(10, 0.9))


def test_one_perceptron_has_no_deviations(cells: Batch) -> None:
    values = accuracy(cells.space, cells.genes)
    estimator = MLPEnsemble(cells.space, FeatureEncoder(cells.space, features=["one_hot"]), networks=1, epochs=5)
    estimator.fit(cells.take(slice(50)), values[:50])
    assert not estimator.gives_std
    assert estimator.predict(cells.take(slice(50, 60))).std is None


def test_any_name_is_handed_to_a_class_that_takes_any(cells: Batch) -> None:
    config = node("estimator", "xgboost", "estimator.regressor.max_depth=2")
    estimator = build(config, "estimator", space=cells.space)
    assert estimator.regressor.get_params()["max_depth"] == 2


def test_a_score_is_what_is_observed_once_and_paid_once(cells: Batch) -> None:
    numbers = np.random.default_rng(1).normal(size=len(cells))
    estimator = Score(cells.space, Told(cells, numbers))
    estimator.fit(cells.take(slice(0)), np.empty(0))  # it needs no trial
    first = estimator.predict(cells.take(slice(30)))
    assert first.mean == pytest.approx(numbers[:30], rel=1e-6)
    assert first.seconds == 60
    assert estimator.predict(cells.take(slice(20, 50))).seconds == 40
    several = Score(cells.space, Joined(cells.space, {"a": Told(cells, numbers), "b": Told(cells, numbers)}))
    several.fit(cells.take(slice(0)), np.empty(0))
    with pytest.raises(UserError, match="observes 2"):
        several.predict(cells.take(slice(3)))


def test_joined_features_stand_side_by_side_and_their_prices_add_up(cells: Batch) -> None:
    numbers = np.arange(float(len(cells)))
    graph = FeatureEncoder(cells.space, features=["one_hot"])
    joined = Joined(cells.space, {"graph": graph, "one": Told(cells, numbers), "two": Told(cells, -numbers)})
    found = joined.embed(cells.take(slice(5, 8)))
    assert (found.values[:, :-2] == cells.one_hot()[5:8]).all()
    assert found.values[:, -2:].tolist() == [[5, -5], [6, -6], [7, -7]]
    assert found.seconds.tolist() == [4, 4, 4]
    with pytest.raises(UserError, match="encoders is empty"):
        Joined(cells.space, {})


@pytest.fixture(scope="module")
def graph(cells: Batch) -> GraphEncoder:
    return GraphEncoder(cells.space, cells=500, epochs=1, device="cpu")


def tau(cells: Batch, encoder: GraphEncoder, more: Observed | None) -> tuple[float, EmProx]:
    values = accuracy(cells.space, cells.genes)
    joined = Joined(cells.space, {"graph": encoder, "more": more}) if more else encoder
    estimator = EmProx(cells.space, joined)
    estimator.fit(cells.take(slice(60)), values[:60])
    return float(kendalltau(estimator.predict(cells.take(slice(60, 400))).mean, values[60:]).statistic), estimator


def test_emprox_listens_to_what_tells_and_not_to_what_does_not(cells: Batch, graph: GraphEncoder) -> None:
    values = accuracy(cells.space, cells.genes)
    rng = np.random.default_rng(2)
    alone, _ = tau(cells, graph, None)
    telling, _ = tau(cells, graph, Told(cells, values + rng.normal(0, 0.1 * values.std(), len(cells))))
    silent, _ = tau(cells, graph, Told(cells, rng.normal(size=len(cells))))
    assert telling > max(alone, 0.8) + 0.02
    assert silent > alone - 0.03


def test_emprox_pays_for_what_it_hears_of_known_and_asked_networks_once(cells: Batch, graph: GraphEncoder) -> None:
    _, estimator = tau(cells, graph, more := Told(cells, np.arange(float(len(cells)))))
    assert len(more._keys) == 400
    assert estimator.predict(cells).seconds == 0


@pytest.mark.parametrize("name", ["gcn", "bonas", "npenas"])
def test_graph_networks_tell_graphs_apart_and_not_their_order(name: str) -> None:
    space = NB201()
    estimator = build({**node("estimator", name), "epochs": 60}, "estimator", space=space)
    cells = space.batch(space.enumerate()[np.random.default_rng(0).permutation(5044)[:300]])
    values = (cells.genes == 3).sum(axis=1) + 0.1 * (cells.genes == 2).sum(axis=1)  # convolutions
    estimator.fit(cells.take(slice(150)), values[:150].astype(float))
    found = estimator.predict(cells.take(slice(150, 300))).mean
    assert kendalltau(found, values[150:]).statistic > 0.35


def test_a_score_in_the_unit_of_the_values_keeps_its_order(cells: Batch) -> None:
    rng = np.random.default_rng(3)
    values = accuracy(cells.space, cells.genes)
    numbers = -np.exp(40 * (values - 0.9 + rng.normal(0, 0.005, len(cells))))  # falling: the map has wide steps
    for direction in (-1, 1):
        told = (direction * numbers).astype(np.float32).astype(float)
        estimator = Score(cells.space, Told(cells, told), unit="value")
        assert estimator.min_trials == 2
        estimator.fit(cells.take(slice(60)), values[:60])
        found = estimator.predict(cells)
        assert found.std is None
        assert (np.argsort(found.mean) == np.argsort(told)).all()
        assert (np.diff(np.sort(found.mean)) > 0).sum() == len(np.unique(told)) - 1  # no tie that was none
        step = 0.0011 * values[:60].std()
        assert values[:60].min() - step < found.mean.min() < found.mean.max() < values[:60].max() + step
        if direction < 0:
            order = np.argsort(told[:60])
            expected = isotonic_regression(values[:60][order]).x
            assert found.mean[:60][order] == pytest.approx(expected, abs=step)
            assert np.abs(found.mean - values).mean() < np.abs(values - values.mean()).mean()
    assert found.seconds == 2 * len(cells)  # what is observed of known networks is paid for, too
    same = Score(cells.space, Told(cells, numbers), unit="value")
    same.fit(cells.take(slice(10)), np.full(10, 0.9))
    assert same.predict(cells).mean == pytest.approx(np.full(len(cells), 0.9), abs=0.0011)
    assert len(np.unique(same.predict(cells).mean)) > 390
    with pytest.raises(UserError, match="unit is 'mine', must be own or value"):
        Score(cells.space, Told(cells, numbers), unit="mine")  # type: ignore[arg-type]


def test_what_is_tuned_says_how_sure_it_is_where_the_regressor_does(cells: Batch) -> None:
    values = accuracy(cells.space, cells.genes)
    for name, gives in {"omni_tuned": True, "lcsvr": False}.items():
        regressor = node("estimator", name)["regressor"]
        config = {**node("estimator", "ngboost"), "regressor": regressor}
        estimator = build(config, "estimator", space=cells.space)
        estimator.fit(cells.take(slice(40)), values[:40])
        found = estimator.predict(cells.take(slice(40, 60)))
        assert estimator.gives_std == gives == (found.std is not None)
    unknown = node("estimator", "lcsvr", "+estimator.regressor.ranges.trunks=[1,2]")["regressor"]
    with pytest.raises(UserError, match=r"^estimator\.regressor\.ranges\.trunks is unknown, the regressor has C, "):
        build(unknown, "estimator.regressor")
