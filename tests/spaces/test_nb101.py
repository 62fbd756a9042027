from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import ABSENT
from nas.spaces import NB101

SPACE = NB101()
raw = st.lists(st.integers(0, 2), min_size=26, max_size=26).map(
    lambda genes: np.array([[gene % 2 for gene in genes[:21]] + genes[21:]], dtype=np.uint8)
)


def networkx_cell(arch: NDArray[np.uint8], vertices: int = 7) -> nx.DiGraph:
    """The pruned, labelled graph of raw genes, made without the code under test."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(vertices))
    pairs = [(x, y) for y in range(vertices) for x in range(y)]
    graph.add_edges_from(pair for pair, there in zip(pairs, arch, strict=False) if there)
    last = vertices - 1
    live = (nx.descendants(graph, 0) | {0}) & (nx.ancestors(graph, last) | {last})
    graph = graph.subgraph(live).copy()
    for vertex in graph:
        inner = 0 < vertex < last
        graph.nodes[vertex]["label"] = int(arch[len(pairs) + vertex - 1]) if inner else ("in" if vertex == 0 else "out")
    return graph


def same_network(one: nx.DiGraph, other: nx.DiGraph) -> bool:
    return nx.is_isomorphic(one, other, node_match=lambda a, b: a["label"] == b["label"])


def test_the_whole_space_has_the_published_number_of_cells_by_vertices() -> None:
    archs = SPACE.enumerate()
    keys = SPACE.keys(archs)
    assert len(archs) == 423_624
    assert (np.diff(keys.astype(np.int64)) > 0).all()
    vertices = np.concatenate([(SPACE.graphs(part).labels != ABSENT).sum(axis=1) for part in np.array_split(archs, 20)])
    assert np.bincount(vertices)[2:].tolist() == [1, 6, 84, 2441, 62010, 359082]


def test_enumeration_is_every_valid_vector_up_to_isomorphism() -> None:
    """Against brute force over all genes of a smaller space."""
    small = NB101(max_vertices=4, max_edges=5)
    genes = np.array(np.unravel_index(np.arange(2**6 * 9), [2] * 6 + [3] * 2), dtype=np.uint8).T
    graphs = [networkx_cell(arch, 4) for arch in genes]
    valid = np.array(
        [nx.has_path(g, 0, 3) and g.number_of_edges() <= 5 if 0 in g and 3 in g else False for g in graphs]
    )
    assert (small.valid(genes) == valid).all()
    classes: list[nx.DiGraph] = []
    for graph in (g for g, ok in zip(graphs, valid, strict=True) if ok):
        if not any(same_network(graph, other) for other in classes):
            classes.append(graph)
    assert len(small.enumerate()) == len(classes)


def test_keys_are_equal_exactly_for_isomorphic_cells() -> None:
    rng = np.random.default_rng(0)
    parents = SPACE.sample(60, rng)
    once = SPACE.mutate(SPACE.batch(parents), rng)
    twice = SPACE.mutate(SPACE.mutate(SPACE.batch(parents), rng), rng)
    archs = np.concatenate([parents, once.genes, twice.genes])
    keys = SPACE.keys(archs)
    graphs = [networkx_cell(arch) for arch in archs]
    for i, j in combinations(range(len(archs)), 2):
        if graphs[i].number_of_edges() == graphs[j].number_of_edges():
            assert (keys[i] == keys[j]) == same_network(graphs[i], graphs[j])


@given(raw, st.randoms(use_true_random=False))
def test_relabelling_inner_vertices_changes_neither_key_nor_canonical_form(arch, random) -> None:
    if not SPACE.valid(arch)[0]:
        with pytest.raises(UserError, match="out of the space"):
            SPACE.check(arch)
        return
    graph = networkx_cell(arch[0])
    order = list(nx.lexicographical_topological_sort(graph, key=lambda _: random.random()))
    inner = [vertex for vertex in order if vertex not in (0, 6)]
    places = dict(zip([0, *inner, 6], [0, *sorted(random.sample(range(1, 6), len(inner))), 6], strict=True))
    other = np.zeros_like(arch)
    other[0, 21:] = random.randrange(3)  # where no vertex is placed, the operation must not matter
    for x, y in graph.edges:
        other[0, places[x] + places[y] * (places[y] - 1) // 2] = 1
    for vertex in inner:
        other[0, 20 + places[vertex]] = graph.nodes[vertex]["label"]
    assert SPACE.keys(other) == SPACE.keys(arch)
    assert (SPACE.canonical(other) == SPACE.canonical(arch)).all()


@given(raw)
def test_the_canonical_form_is_the_same_network_and_its_own_canonical_form(arch) -> None:
    if SPACE.valid(arch)[0]:
        canonical = SPACE.canonical(arch)
        assert SPACE.valid(canonical)[0]
        assert (SPACE.canonical(canonical) == canonical).all()
        assert same_network(networkx_cell(canonical[0]), networkx_cell(arch[0]))


@given(st.integers(0, 2**32 - 1))
def test_mutants_are_valid_and_other_networks(seed) -> None:
    rng = np.random.default_rng(seed)
    parents = SPACE.sample(20, rng)
    children = SPACE.mutate(SPACE.batch(parents), rng).genes
    assert SPACE.valid(children).all()
    assert (SPACE.keys(children) != SPACE.keys(parents)).all()
    assert children.dtype == np.uint8


def test_mutation_changes_one_gene_where_every_gene_matters() -> None:
    """A cell whose every vertex is live: most single changes give another network at once."""
    rng = np.random.default_rng(0)
    parents = SPACE.sample(400, rng)
    changed = (SPACE.mutate(SPACE.batch(parents), rng).genes != parents).sum(axis=1)
    assert changed.min() == 1
    assert (changed == 1).mean() > 0.8


def test_mutation_reaches_the_whole_space() -> None:
    small = NB101(max_vertices=4)
    everything = set(small.keys(small.enumerate()).tolist())
    rng = np.random.default_rng(0)
    population = small.sample(1, rng)
    reached = set(small.keys(population).tolist())
    for _ in range(60):
        population = small.mutate(small.batch(np.tile(population, (20, 1))[-2000:]), rng).genes
        reached |= set(small.keys(population).tolist())
    assert reached == everything


def test_samples_are_uniform_over_distinct_cells() -> None:
    from scipy.stats import chisquare

    small = NB101(max_vertices=4)
    drawn = small.keys(small.sample(20_000, np.random.default_rng(0)))
    _, counts = np.unique(drawn, return_counts=True)
    assert len(counts) == len(small.enumerate()) == 91
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("archs", "message"),
    [
        (np.zeros((1, 26), dtype=np.uint8), "architecture 0 .* is out of the space: the input must reach the output"),
        (np.ones((2, 26), dtype=np.uint8), "at most 9 edges"),
        (np.full((1, 26), 2, dtype=np.uint8), "gene '0->1' is 2, must be 0..1"),
        (np.zeros((1, 25), dtype=np.uint8), r"shape \(n, 26\), got uint8 of shape \(1, 25\)"),
        (np.zeros((1, 26)), "got float64"),
        ([[0] * 26], "got list"),
    ],
)
def test_architectures_out_of_the_space_are_refused(archs, message) -> None:
    with pytest.raises(UserError, match=message):
        SPACE.check(archs)


@pytest.mark.parametrize(("limits", "message"), [({"max_vertices": 8}, "3..7"), ({"max_edges": 0}, "1..21")])
def test_limits_out_of_range_are_refused(limits, message) -> None:
    with pytest.raises(UserError, match=message):
        NB101(**limits)
