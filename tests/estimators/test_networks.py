from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import accuracy
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from nas.benchmarks.table import read_table
from nas.encoders import FeatureEncoder
from nas.errors import UserError
from nas.estimators import GraphNetwork, MLPEnsemble
from nas.estimators.base import NetworkEstimator
from nas.estimators.networks import EnsembleMLP, GraphIsomorphismNetwork
from nas.regressors.training import generator
from nas.spaces import NB101

SMALL_MLP = {"networks": 3, "layers": 2, "width": 8, "epochs": 5, "batch": 16, "learning_rate": 0.01, "seed": 0}
SMALL_GIN = {"width": 8, "epochs": 5, "batch": 16, "learning_rate": 0.005, "weight_decay": 1e-4, "seed": 0}
BANANAS = {**SMALL_MLP, "networks": 5, "layers": 10, "width": 20, "epochs": 150, "batch": 32}
NPENAS = {**SMALL_GIN, "width": 32, "epochs": 300}


def mlp(space: NB101, **options) -> MLPEnsemble:
    return MLPEnsemble(space, FeatureEncoder(space, features=["path"]), **{**SMALL_MLP, **options})


def gin(space: NB101, **options) -> GraphNetwork:
    return GraphNetwork(space, **{**SMALL_GIN, **options})


@pytest.fixture(params=[mlp, gin])
def make(request):
    return request.param


@pytest.fixture(scope="module")
def cells(small_space: NB101):
    archs = small_space.unique(small_space.sample(400, np.random.default_rng(0)))
    archs = archs[np.random.default_rng(1).permutation(len(archs))]
    return archs[:100], accuracy(small_space, archs[:100]), archs[100:]


def test_each_network_of_the_ensemble_is_a_perceptron_of_its_own() -> None:
    network = EnsembleMLP(3, columns=6, layers=4, width=5, generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(network.biases)
    inputs = torch.randn(3, 7, 6)
    outputs = network(inputs)
    assert len({*outputs[:, 0].tolist()}) == 3
    for member in range(3):
        states = inputs[member].numpy()
        weights = [network.first, *network.hidden]
        for weight, bias in zip(weights, network.biases, strict=True):
            states = np.maximum(states @ weight[member].detach().numpy() + bias[member].detach().numpy(), 0)
        expected = states @ network.last[member].detach().numpy() + network.offset[member].detach().numpy()
        np.testing.assert_allclose(outputs[member].detach().numpy(), expected[:, 0], rtol=1e-5, atol=1e-6)


def test_the_graph_network_sums_over_predecessors(small_space: NB101) -> None:
    """Against a loop over vertices and edges, in evaluation mode."""
    graphs = small_space.graphs(small_space.sample(20, np.random.default_rng(0)))
    one_hot = np.eye(6, dtype=np.float32)[graphs.labels]
    network = GraphIsomorphismNetwork(6, 8)
    for norm in network.norms:
        torch.nn.init.normal_(norm.weight)
        norm.running_mean.normal_()
    network.eval().requires_grad_(False)
    outputs = network(torch.from_numpy(graphs.adjacency).float(), torch.from_numpy(one_hot))
    for graph in range(20):
        states = list(torch.from_numpy(one_hot[graph]))
        for perceptron, norm in zip(network.perceptrons, network.norms, strict=True):
            sums = [
                state + sum(states[x] for x in range(y) if graphs.adjacency[graph, x, y])
                for y, state in enumerate(states)
            ]
            states = [norm(perceptron(total)[None])[0] for total in sums]
        hidden = network.hidden(torch.stack(states).mean(dim=0)).relu()
        assert outputs[graph].item() == pytest.approx(network.last(hidden).item(), abs=1e-5)


def test_random_numbers_follow_from_seed_and_number_of_known_architectures() -> None:
    def draw(seed: int, n: int) -> float:
        return float(torch.rand(1, generator=generator(seed, n)))

    assert draw(1, 20) == draw(1, 20)
    assert len({draw(seed, n) for seed in (0, 1, 2) for n in (10, 20, 30)}) == 9


def test_a_fit_follows_from_seed_and_data_alone(make, small_space: NB101, cells) -> None:
    known, values, queries = cells
    fresh, used, other = make(small_space), make(small_space), make(small_space, seed=1)
    used.fit(small_space.batch(known[:40]), values[:40])
    for estimator in (fresh, used, other):
        torch.rand(5)  # what others draw does not matter
        estimator.fit(small_space.batch(known), values)
    assert (fresh.predict(small_space.batch(queries)).mean == used.predict(small_space.batch(queries)).mean).all()
    assert (fresh.predict(small_space.batch(queries)).mean != other.predict(small_space.batch(queries)).mean).any()


def test_a_fit_leaves_torch_as_it_was(make, small_space: NB101, cells) -> None:
    known, values, queries = cells
    before = torch.get_rng_state(), torch.get_num_threads()
    estimator = make(small_space)
    estimator.fit(small_space.batch(known), values)
    estimator.predict(small_space.batch(queries))
    assert (torch.get_rng_state() == before[0]).all()
    assert torch.get_num_threads() == before[1]


def test_estimates_are_in_the_unit_of_the_values(make, small_space: NB101, cells) -> None:
    known, values, queries = cells
    one, other = make(small_space), make(small_space)
    one.fit(small_space.batch(known), values)
    other.fit(small_space.batch(known), 100 * values - 7)
    np.testing.assert_allclose(
        other.predict(small_space.batch(queries)).mean,
        100 * one.predict(small_space.batch(queries)).mean - 7,
        rtol=1e-9,
    )
    if one.predict(small_space.batch(queries)).std is not None:
        np.testing.assert_allclose(
            other.predict(small_space.batch(queries)).std, 100 * one.predict(small_space.batch(queries)).std, rtol=1e-6
        )


def test_a_failed_architecture_moves_no_estimate_but_the_lowest(small_space: NB101, cells) -> None:
    known, values, queries = cells
    failed = values.copy()
    failed[values.argmin()] = 0.1
    one, other = gin(small_space, epochs=20), gin(small_space, epochs=20)
    one.fit(small_space.batch(known), values)
    other.fit(small_space.batch(known), failed)
    before, after = one.predict(small_space.batch(queries)).mean, other.predict(small_space.batch(queries)).mean
    high = before > np.sort(values)[20]  # beyond the tenth that gives the slope below the least
    assert high.sum() > 50
    np.testing.assert_allclose(before[high], after[high], rtol=1e-9)


def test_equal_values_are_estimated_as_that_value(make, small_space: NB101, cells) -> None:
    known, _, queries = cells
    estimator = make(small_space)
    estimator.fit(small_space.batch(known), np.full(len(known), 0.9))
    np.testing.assert_allclose(estimator.predict(small_space.batch(queries)).mean, 0.9)


def test_parts_of_a_large_query_are_put_together(make, small_space: NB101, cells, monkeypatch) -> None:
    known, values, queries = cells
    estimator = make(small_space)
    estimator.fit(small_space.batch(known), values)
    whole = estimator.predict(small_space.batch(queries)).mean
    for module in ("base", "graph_network"):
        monkeypatch.setattr(f"nas.estimators.{module}._PART", 7)
    np.testing.assert_allclose(estimator.predict(small_space.batch(queries)).mean, whole, rtol=1e-5)


@pytest.fixture(scope="module")
def labelled(real_table: Path, space: NB101) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    columns = read_table(real_table, space).columns
    rows = np.random.default_rng(1000).choice(len(columns.archs), size=2100, replace=False)
    return columns.archs[rows], columns.test[rows]


def tau(estimator: NetworkEstimator, archs: NDArray[np.uint8], values: NDArray[np.float64]) -> float:
    batch = estimator.space.batch(archs)
    estimator.fit(batch.take(slice(100)), values[:100])
    return float(kendalltau(estimator.predict(batch.take(slice(100, None))).mean, values[100:]).statistic)


def test_bananas_ranks_the_real_table_and_knows_where_it_is_unsure(labelled, space: NB101) -> None:
    archs, values = labelled
    estimator = mlp(space, **BANANAS)
    assert tau(estimator, archs, values) > 0.42
    known, unknown = (estimator.predict(space.batch(some)) for some in (archs[:100], archs[100:]))
    assert known.std.mean() < 0.7 * unknown.std.mean()
    assert spearmanr(unknown.std, np.abs(unknown.mean - values[100:])).statistic > 0.1


def test_npenas_ranks_the_real_table(labelled, space: NB101) -> None:
    archs, values = labelled
    assert tau(gin(space, **NPENAS), archs, values) > 0.5


@pytest.mark.parametrize(
    ("estimator", "option", "value", "allowed"),
    [
        (mlp, "networks", 0, "at least 1"),
        (mlp, "layers", 0, "at least 1"),
        (mlp, "learning_rate", 0.0, "above 0"),
        (mlp, "learning_rate", float("nan"), "a finite number"),
        (mlp, "seed", -1, "at least 0"),
        (gin, "width", 1, "at least 2"),
        (gin, "epochs", 0, "at least 1"),
        (gin, "learning_rate", -1.0, "above 0"),
        (gin, "weight_decay", -0.1, "at least 0"),
        (gin, "seed", -1, "at least 0"),
    ],
)
def test_options_out_of_range_are_refused(small_space: NB101, estimator, option: str, value, allowed: str) -> None:
    with pytest.raises(UserError, match=f"^{option} is {value}, must be {allowed}"):
        estimator(small_space, **{option: value})
