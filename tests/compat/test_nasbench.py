"""Code for the published library, run as its documentation has it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from records import made_up, write_official

from nas.benchmarks import benchmark_of
from nas.benchmarks.published.nasbench101 import read_official
from nas.compat.nasbench import api
from nas.errors import UserError
from nas.graphs import Graphs
from nas.spaces import NB101

SPACE = NB101(max_vertices=4)
CELLS = SPACE.enumerate()[::8]
BUDGETS = (4, 108)
METRICS = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")

INPUT, OUTPUT = "input", "output"
CONV1X1, CONV3X3, MAXPOOL3X3 = "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"


def inception() -> api.ModelSpec:
    """The example of the published documentation."""
    return api.ModelSpec(
        matrix=[
            [0, 1, 1, 1, 0, 1, 0],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0, 0],
        ],
        ops=[INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT],
    )


def spec_of(graphs: Graphs, row: int) -> api.ModelSpec:
    names = ["absent", INPUT, OUTPUT, *graphs.operations]
    there = graphs.labels[row] > 0
    ops = [names[label] for label in graphs.labels[row][there]]
    return api.ModelSpec(graphs.adjacency[row][np.ix_(there, there)].astype(int), ops)


@pytest.fixture(scope="module", params=["official", "compact"])
def file(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    official = write_official(folder / "nasbench_full.tfrecord", SPACE, CELLS, BUDGETS)
    if request.param == "official":
        return official
    np.savez_compressed(folder / "nasbench101.npz", **read_official(official))
    return folder / "nasbench101.npz"


def test_all_statistics_are_those_of_the_records(file: Path) -> None:
    nasbench = api.NASBench(str(file))
    assert nasbench.valid_epochs == set(BUDGETS)
    digests = benchmark_of(SPACE).names(CELLS)
    assert list(nasbench.hash_iterator()) == sorted(digests)
    graphs = SPACE.graphs(CELLS)
    for row, digest in enumerate(digests):
        fixed, computed = nasbench.get_metrics_from_hash(digest)
        spec = spec_of(graphs, row)
        assert (fixed["module_adjacency"] == spec.matrix).all()
        assert fixed["module_operations"] == spec.ops
        assert fixed["trainable_parameters"] == 1000 + row
        for epochs in BUDGETS:
            for run in range(3):
                made = made_up(row, epochs, run)
                wanted = {f"{point}_{name}": n for point in made for name, n in zip(METRICS, made[point], strict=True)}
                assert computed[epochs][run] == wanted
        assert nasbench.get_metrics_from_spec(spec)[1] == computed
        assert nasbench.computed_statistics[digest] == computed
        assert nasbench.fixed_statistics[digest]["trainable_parameters"] == 1000 + row
    with pytest.raises(KeyError):
        nasbench.get_metrics_from_hash("0" * 32)


@pytest.mark.parametrize("stop_halfway", [False, True])
def test_a_query_draws_a_run_as_the_published_library_does_and_counts_it(file: Path, stop_halfway: bool) -> None:
    nasbench, dice = api.NASBench(str(file), seed=5), random.Random(5)
    spec, seconds = spec_of(SPACE.graphs(CELLS), 3), 0.0
    for count in range(1, 13):
        data = nasbench.query(spec, epochs=4, stop_halfway=stop_halfway)
        made = made_up(3, 4, dice.randint(0, 2))["halfway" if stop_halfway else "final"]
        assert [data[name] for name in METRICS] == made
        assert data["trainable_parameters"] == 1003
        seconds += made[0]
        assert nasbench.get_budget_counters() == (seconds, count * (2 if stop_halfway else 4))
    nasbench.reset_budget_counters()
    assert nasbench.get_budget_counters() == (0.0, 0)


def test_without_a_seed_the_runs_are_those_of_the_callers_own_seed(file: Path) -> None:
    nasbench, dice = api.NASBench(str(file)), random.Random(7)
    random.seed(7)
    for _ in range(12):
        data = nasbench.query(spec_of(SPACE.graphs(CELLS), 3), epochs=4)
        assert [data[name] for name in METRICS] == made_up(3, 4, dice.randint(0, 2))["final"]


def test_nothing_else_is_seeded(file: Path) -> None:
    random.seed(1)
    wanted = random.random()
    random.seed(1)
    api.NASBench(str(file), seed=0).query(spec_of(SPACE.graphs(CELLS), 0), epochs=108)
    assert random.random() == wanted


def test_what_is_outside_is_an_out_of_domain_error(file: Path) -> None:
    nasbench = api.NASBench(file)
    chain = api.ModelSpec([[0, 1], [0, 0]], [INPUT, OUTPUT])
    for epochs in (12, 0, 107):
        with pytest.raises(api.OutOfDomainError, match="invalid number of epochs, must be one of"):
            nasbench.query(chain, epochs=epochs)
    eight = np.triu(np.ones((8, 8), dtype=int), 1)
    path = np.diag(np.ones(7, dtype=int), 1)
    cases = {
        "disconnected": api.ModelSpec([[0, 1, 0], [0, 0, 0], [0, 0, 0]], [INPUT, CONV3X3, OUTPUT]),
        "too many vertices, got 8": api.ModelSpec(path, [INPUT, *[CONV3X3] * 6, OUTPUT]),
        "too many edges, got 21": api.ModelSpec(eight[:7, :7], [INPUT, *[CONV3X3] * 5, OUTPUT]),
        "unsupported op conv5x5": api.ModelSpec(path[:3, :3], [INPUT, "conv5x5", OUTPUT]),
        "first operation should be 'input'": api.ModelSpec(path[:3, :3], [CONV1X1, CONV3X3, OUTPUT]),
    }
    for message, spec in cases.items():
        assert not nasbench.is_valid(spec)
        with pytest.raises(api.OutOfDomainError, match=message):
            nasbench.get_metrics_from_spec(spec)
    assert nasbench.is_valid(inception())
    assert nasbench.get_budget_counters() == (0.0, 0)


def test_a_spec_is_pruned_and_keeps_what_was_given() -> None:
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    spec = api.ModelSpec(matrix, [INPUT, CONV3X3, CONV1X1, OUTPUT])
    assert spec.valid_spec
    assert spec.matrix is not None
    assert spec.matrix.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert spec.ops == [INPUT, CONV3X3, OUTPUT]
    assert spec.original_matrix.tolist() == matrix
    assert spec.original_ops == [INPUT, CONV3X3, CONV1X1, OUTPUT]
    for wrong, ops in (([[0, 1]], ["a"]), ([[0, 1], [0, 0]], ["a"]), ([[0, 0], [1, 0]], ["a", "b"]), ([[1]], ["a"])):
        with pytest.raises(ValueError, match="must"):
            api.ModelSpec(wrong, ops)


def test_isomorphic_specs_have_the_same_hash() -> None:
    names = [CONV3X3, CONV1X1, MAXPOOL3X3]
    one = api.ModelSpec([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], [INPUT, CONV3X3, CONV1X1, OUTPUT])
    two = api.ModelSpec([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], [INPUT, CONV1X1, CONV3X3, OUTPUT])
    other = api.ModelSpec([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], [INPUT, CONV1X1, CONV1X1, OUTPUT])
    assert one.hash_spec(names) == two.hash_spec(names) != other.hash_spec(names)


def test_the_real_table_knows_the_published_cells(real_table: Path) -> None:
    nasbench = api.NASBench(real_table)
    hashes = list(nasbench.hash_iterator())
    assert len(hashes) == 423_624
    assert inception().hash_spec(nasbench.config["available_ops"]) in nasbench.fixed_statistics
    for digest in hashes[::50_000]:
        fixed = nasbench.fixed_statistics[digest]
        spec = api.ModelSpec(fixed["module_adjacency"], fixed["module_operations"])
        assert spec.hash_spec(nasbench.config["available_ops"]) == digest
        assert nasbench.is_valid(spec)
        with pytest.raises(UserError, match=r"has no single runs .*: convert an official file"):
            nasbench.query(spec)
        with pytest.raises(UserError, match="has no single runs"):
            nasbench.get_metrics_from_spec(spec)
