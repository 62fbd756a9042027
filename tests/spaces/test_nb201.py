from __future__ import annotations

from collections import defaultdict
from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, INPUT, OUTPUT
from nas.spaces import NB201

SPACE = NB201()
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)


@pytest.fixture(scope="module")
def everything() -> NDArray[np.uint8]:
    return SPACE.from_indices(np.arange(15_625))


@pytest.fixture(scope="module")
def real(real_nb201: Path) -> dict[str, np.ndarray]:
    with np.load(real_nb201) as arrays:
        return dict(arrays)


def output(genes: list[int], functions: dict[int, np.ndarray], pool: np.ndarray) -> np.ndarray:
    """What a cell makes of a fixed vector, each convolution a nonlinear function given by its edge, zero at zero."""
    nodes = [np.linspace(-1, 2, len(pool)), *np.zeros((3, len(pool)))]
    for edge, (source, target) in enumerate(EDGES):
        x = nodes[source]
        made = {SKIP: x, POOL: pool @ x, NONE: 0 * x}
        nodes[target] = nodes[target] + made.get(genes[edge], np.tanh(functions.get(edge, pool) @ x))
    return nodes[3]


def outcomes(genes: list[int]) -> frozenset[tuple[float, ...]]:
    """All outputs of the cell over the ways to give its convolutions so many fixed functions of each kernel."""
    rng = np.random.default_rng(0)
    pool, other = rng.normal(size=(2, 4, 4))
    fixed = {kernel: rng.normal(size=(6, 4, 4)) for kernel in (CONV_1X1, CONV_3X3)}
    plain = {edge: fixed[kernel][0] for edge, kernel in enumerate(genes) if kernel in fixed}
    reached = [e for e in plain if (output(genes, plain, pool) != output(genes, {**plain, e: other}, pool)).any()]
    ways = [permutations([e for e in reached if genes[e] == kernel]) for kernel in fixed]
    found = set()
    for orders in product(*ways):
        functions = {
            edge: fixed[kernel][place]
            for kernel, order in zip(fixed, orders, strict=True)
            for place, edge in enumerate(order)
        }
        found.add(tuple(output(genes, functions, pool).round(9).tolist()))
    return frozenset(found)


def expression(genes: list[int], zero: bool) -> str:
    """The string of expressions by which the field counts unique cells (Dong and Yang 2020, section 2.1).

    It is sorted node by node, so that the numbers depend on the order of the symbols, here as published.
    """
    nodes = ["0", "", "", ""]
    for target in (1, 2, 3):
        terms = []
        for edge, (source, end) in enumerate(EDGES):
            if end == target:
                nothing = zero and (genes[edge] == NONE or nodes[source] == "#")
                term = nodes[source] if genes[edge] == SKIP else f"({nodes[source]})@{genes[edge]}"
                terms.append("#" if nothing else term)
        nodes[target] = "+".join(sorted(terms))
    return nodes[3]


def test_the_official_order_and_strings() -> None:
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert SPACE.strings(SPACE.from_indices(np.array([0]))) == [first]
    best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert SPACE.indices(SPACE.from_strings([best])).tolist() == [6111]


def test_all_indices_and_strings_there_and_back(everything) -> None:
    assert len(np.unique(everything, axis=0)) == 15_625
    assert (SPACE.indices(everything) == np.arange(15_625)).all()
    assert (SPACE.from_strings(SPACE.strings(everything)) == everything).all()


def test_all_indices_are_those_of_the_real_table(everything, real) -> None:
    assert (real["ops"] == everything).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SPACE.from_indices(np.array([3, 15_625])),
            "index 15625 is no cell of NAS-Bench-201, must be 0..15624",
        ),
        (lambda: SPACE.from_indices(np.array([-1])), "index -1"),
        (lambda: SPACE.from_strings(["|conv~0|"]), r"'\|conv~0\|' is no cell of NAS-Bench-201, expected one such as"),
    ],
)
def test_what_is_no_cell_is_refused(call, message) -> None:
    with pytest.raises(UserError, match=message):
        call()


def test_keys_are_equal_exactly_where_cells_compute_the_same_of_the_same_weights(everything) -> None:
    rows = np.random.default_rng(0).choice(15_625, 700, replace=False)
    keys = SPACE.keys(everything[rows]).tolist()
    signatures = [outcomes(genes) for genes in everything[rows].tolist()]
    pairs = set(zip(keys, signatures, strict=True))
    assert len(pairs) == len(set(keys)) == len(set(signatures))
    assert len(pairs) < 600


def test_the_numbers_of_networks(everything) -> None:
    """6,466 and 12,751 are published; 5,044 is what is left where pooling a sum is the sum of the pooled, and so on."""
    cells = everything.tolist()
    assert len({expression(genes, True) for genes in cells}) == 6_466
    assert len({expression(genes, False) for genes in cells}) == 12_751
    assert len(np.unique(SPACE.keys(everything))) == len(SPACE.enumerate()) == 5_044


def test_the_canonical_form_has_the_fewest_edges(everything) -> None:
    canonical = SPACE.canonical(everything)
    assert (SPACE.canonical(canonical) == canonical).all()
    fewest: dict[int, int] = defaultdict(lambda: 6)
    for key, edges in zip(SPACE.keys(everything).tolist(), (everything != NONE).sum(axis=1).tolist(), strict=True):
        fewest[key] = min(fewest[key], edges)
    assert (canonical != NONE).sum(axis=1).tolist() == [fewest[key] for key in SPACE.keys(canonical).tolist()]


def test_rows_of_one_network_differ_as_its_runs_do(everything, real) -> None:
    """A merge of what is not the same network would show: expressions that share a convolution or do not, do."""
    test = real["test_acc_200"][:, 0]

    def differences(groups: list[object], apart: list[object]) -> NDArray[np.float64]:
        rows = defaultdict(list)
        for row in np.flatnonzero(test > 88).tolist():
            rows[groups[row]].append(row)
        pairs = [pair for some in rows.values() for pair in combinations(some[:8], 2)]
        return np.array([abs(test[a] - test[b]) for a, b in pairs if apart[a] != apart[b]])

    keys = SPACE.keys(everything).tolist()
    expressions = [expression(genes, True) for genes in everything.tolist()]
    ours = differences(keys, expressions)  # merged here alone
    both = differences(list(zip(keys, expressions, strict=True)), list(range(15_625)))
    theirs = differences(expressions, keys)  # merged there alone
    assert min(len(ours), len(both), len(theirs)) > 500
    assert np.median(ours) < 1.3 * np.median(both) < 0.2
    assert np.median(theirs) > 1.8 * np.median(both)


def test_graphs_have_the_operations_as_vertices() -> None:
    cell = "|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"
    graphs = SPACE.graphs(SPACE.from_strings([cell]))
    names = dict(enumerate(graphs.operations, FIRST_OPERATION)) | {INPUT: "in", OUTPUT: "out"}
    labels = [f"{names[code]}" for code in graphs.labels[0].tolist() if code]
    # one of the two convolutions that end the cell takes the first's output alone, the other with what was pooled
    edges = sorted((labels[x], labels[y]) for x, y in np.argwhere(graphs.adjacency[0]))
    assert edges == [
        ("avg_pool_3x3", "nor_conv_1x1"),
        ("in", "avg_pool_3x3"),
        ("in", "nor_conv_3x3"),
        ("nor_conv_1x1", "out"),
        ("nor_conv_1x1", "out"),
        ("nor_conv_3x3", "nor_conv_1x1"),
        ("nor_conv_3x3", "skip_connect"),
        ("skip_connect", "nor_conv_1x1"),
    ]


def test_a_vertex_knows_the_edge_that_it_stands_for(everything) -> None:
    graphs = SPACE.graphs_of(everything).take(slice(None, None, 7))
    inner = graphs.labels > 2
    rows, _ = np.nonzero(inner)
    edges = graphs.places[inner] - 1
    assert (everything[::7][rows, edges] == graphs.labels[inner] - 2).all()
    assert (inner.sum(axis=1) == (everything[::7] != 0).sum(axis=1)).all()


def test_a_cell_that_carries_nothing_is_a_graph_without_edges() -> None:
    dead = SPACE.from_strings(["|none~0|+|none~0|nor_conv_3x3~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"])
    graphs = SPACE.graphs(dead)
    assert not graphs.adjacency.any()
    assert graphs.labels[0].tolist() == [INPUT, OUTPUT, *[0] * 6]
    assert not graphs.paths().any()


def test_samples_are_uniform_over_distinct_networks() -> None:
    from scipy.stats import chisquare

    _, counts = np.unique(SPACE.keys(SPACE.sample(100_000, np.random.default_rng(0))), return_counts=True)
    assert len(counts) == 5_044
    assert chisquare(counts).pvalue > 1e-3


def test_mutation_reaches_every_network() -> None:
    rng = np.random.default_rng(0)
    population = SPACE.sample(1, rng)
    reached = SPACE.keys(population)
    for _ in range(60):
        population = SPACE.mutate(SPACE.batch(np.tile(population, (20, 1))[-6000:]), rng).genes
        reached = np.union1d(reached, SPACE.keys(population))
    assert len(reached) == 5_044
