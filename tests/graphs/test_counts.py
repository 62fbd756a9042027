"""Counts of large graphs against Python's integers and fractions, which never overflow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import log, log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs, feature_names, graph_features
from nas.graphs.walks import signal_features, signal_names, walk_features, walk_names
from nas.spaces import Gene, GeneSpace

OPERATIONS = ("a", "b")
A, B = FIRST_OPERATION, FIRST_OPERATION + 1
PLAIN = "choose an estimator on plain genes"


def complete(v: int, edges: int = 1, operations: tuple[str, ...] = OPERATIONS) -> Graphs:
    """Every vertex feeds all later ones, over so many edges each; all inner ones carry the first operation."""
    adjacency = np.triu(np.full((1, v, v), edges), 1).astype(np.bool_ if edges == 1 else np.uint32)
    labels = np.full((1, v), FIRST_OPERATION, dtype=np.uint8)
    labels[0, 0], labels[0, -1] = INPUT, OUTPUT
    return Graphs(adjacency, labels, operations)


def ways(edges: list[list[int]], inner: list[int]) -> list[list[int]]:
    """`[x][y]`: the paths from x to y over inner vertices, counted one vertex after the other."""
    v = len(edges)
    count = [[int(x == y) for y in range(v)] for x in range(v)]
    for x in range(v):
        for y in range(x + 1, v):
            count[x][y] = edges[x][y] + sum(count[x][z] * edges[z][y] for z in inner if x < z < y)
    return count


@pytest.mark.parametrize("v", [2, 15, 16, 17, 18, 40, 102])
def test_paths_of_a_complete_graph_are_all_sets_of_its_inner_vertices(v: int) -> None:
    """2 ** 15 of them, at 17 vertices, are -32,768 in 16 bits; 2 ** 100 are the most."""
    graphs = complete(v)
    counted = dict(zip(feature_names(OPERATIONS), graph_features(graphs)[0].tolist(), strict=True))
    assert counted["number of path over {a}"] == counted["number of path over {a, b}"] == 2 ** (v - 2)
    assert counted["number of path over {b}"] == counted["number of path over {}"] == 1
    assert counted["edges among {a}"] == counted["edges a -> a"] == (v - 2) * (v - 3) / 2
    assert counted["longest path over {a}"] == v - 1
    walked = dict(zip(walk_names(OPERATIONS), walk_features(graphs)[0].tolist(), strict=True))
    assert walked["all paths alike: deviation of vertices a"] == pytest.approx(((v - 2) / 4) ** 0.5, abs=1e-3)
    assert walked["all paths alike: decay over {a}"] == pytest.approx(0.75 ** (v - 2))
    passed = dict(zip(signal_names(OPERATIONS), signal_features(graphs)[0].tolist(), strict=True))
    assert passed["log variance through {b}"] == pytest.approx(log1p(2 ** (v - 2)))
    assert passed["correlation by variance through {b}"] == 0


@pytest.mark.parametrize("features", [graph_features, walk_features, signal_features])
@pytest.mark.parametrize("graphs", [complete(103), complete(1100), complete(20, 1 << 31)])
def test_more_paths_than_can_be_counted_are_refused(features, graphs: Graphs) -> None:
    with pytest.raises(UserError, match=rf"a graph of {graphs.labels.shape[1]} vertices has more than .* {PLAIN}"):
        features(graphs)


@st.composite
def several_edges(draw: st.DrawFn, vertices: st.SearchStrategy[int] = st.integers(2, 9)) -> Graphs:  # noqa: B008
    """A graph whose vertices are all on a path; up to 2 ** 31 edges between two of them."""
    v = draw(vertices)
    most = draw(st.sampled_from([1, 2, 255, 256, 40_000, 1 << 31]))
    adjacency = np.zeros((1, v, v), dtype=np.uint32)
    for y in range(1, v):
        for x in range(y):
            adjacency[0, x, y] = draw(st.integers(int(x == y - 1), most))
    inner = draw(st.lists(st.sampled_from([A, B]), min_size=v - 2, max_size=v - 2))
    return Graphs(adjacency, np.array([[INPUT, *inner, OUTPUT]], dtype=np.uint8), OPERATIONS)


@given(several_edges())
@settings(max_examples=100, deadline=None)
def test_counts_are_those_of_whole_numbers_without_end(graphs: Graphs) -> None:
    edges, labels = graphs.adjacency[0].tolist(), graphs.labels[0].tolist()
    last = len(labels) - 1
    paths = ways(edges, list(range(1, last)))
    if paths[0][last] > 1 << 100:
        with pytest.raises(UserError, match="paths"):
            graph_features(graphs)
        return
    counted = dict(zip(feature_names(OPERATIONS), graph_features(graphs)[0].tolist(), strict=True))
    for name, codes in (("{}", ()), ("{a}", (A,)), ("{b}", (B,)), ("{a, b}", (A, B))):
        inner = [x for x in range(1, last) if labels[x] in codes]
        assert counted[f"number of path over {name}"] == pytest.approx(ways(edges, inner)[0][last], rel=1e-7)
    walked = dict(zip(walk_names(OPERATIONS), walk_features(graphs)[0].tolist(), strict=True))
    for (source, a), (target, b) in product(
        [("input", INPUT), ("a", A), ("b", B)], [("a", A), ("b", B), ("output", OUTPUT)]
    ):
        there = [(x, y) for y in range(last + 1) for x in range(y) if (labels[x], labels[y]) == (a, b)]
        assert counted[f"edges {source} -> {target}"] == np.float32(sum(edges[x][y] for x, y in there))
        taken = sum(Fraction(paths[0][x] * edges[x][y] * paths[y][last], paths[0][last]) for x, y in there)
        assert walked[f"all paths alike: edges {source} -> {target}"] == pytest.approx(float(taken), rel=1e-4, abs=1e-6)
    variance = [1]
    for y in range(1, last + 1):
        variance.append(sum(edges[x][y] ** 2 * variance[x] for x in range(y)))
    passed = dict(zip(signal_names(OPERATIONS), signal_features(graphs)[0].tolist(), strict=True))
    if A not in labels:
        assert passed["log variance through {a}"] == pytest.approx(log(1 + variance[last]), rel=1e-4)


@given(st.lists(several_edges(vertices=st.just(4)), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_how_a_graph_is_counted_does_not_depend_on_the_others(batch: list[Graphs]) -> None:
    adjacency, labels = (np.concatenate([getattr(one, name) for one in batch]) for name in ("adjacency", "labels"))
    for features in (graph_features, walk_features, signal_features):
        together = features(Graphs(adjacency, labels, OPERATIONS))
        assert (together == np.concatenate([features(one) for one in batch])).all()


@pytest.mark.parametrize("identities", [1, 7, 8, 9, 16, 53])
def test_without_identities_every_way_is_an_edge(identities: int) -> None:
    """256 ways, those over 8 identities, are none in 8 bits."""
    graphs = replace(complete(identities + 2), identities=("a",))
    short = graphs.contracted()
    assert short.operations == ("b",)
    assert int(short.adjacency[0, 0, 1]) == 2**identities
    assert graph_features(short)[0, feature_names(("b",)).index("number of path over {}")] == 2.0**identities


@pytest.mark.parametrize("graphs", [complete(56), complete(42, 1 << 31)])
def test_more_ways_than_can_be_counted_are_refused(graphs: Graphs) -> None:
    with pytest.raises(UserError, match=rf"more than 9,007,199,254,740,992 edges .* {PLAIN}"):
        replace(graphs, identities=("a",)).contracted()


@given(several_edges())
@settings(max_examples=100, deadline=None)
def test_contraction_counts_ways_as_whole_numbers_without_end(graphs: Graphs) -> None:
    edges, labels = graphs.adjacency[0].tolist(), graphs.labels[0].tolist()
    kept = [x for x, label in enumerate(labels) if label != A]
    expected = ways(edges, [x for x, label in enumerate(labels) if label == A])
    graphs = replace(graphs, identities=("a",))
    if max(expected[x][y] for x in kept for y in kept) > 1 << 53:
        with pytest.raises(UserError, match="edges from one vertex to another"):
            graphs.contracted()
        return
    short = graphs.contracted()
    for i, x in enumerate(kept):
        for j, y in enumerate(kept[i + 1 :], i + 1):
            assert int(short.adjacency[0, i, j]) == expected[x][y]


def with_operations(count: int, kind: type) -> Graphs:
    """A chain of one vertex for each operation, in a batch as long as there are operations."""
    labels = np.zeros((count, 3), dtype=kind)
    labels[:, 0], labels[:, 2] = INPUT, OUTPUT
    labels[:, 1] = np.arange(FIRST_OPERATION, FIRST_OPERATION + count).astype(kind)
    adjacency = np.broadcast_to(np.eye(3, k=1, dtype=np.bool_), (count, 3, 3))
    return Graphs(adjacency, labels, tuple(map(str, range(count))))


@pytest.mark.parametrize(("count", "kind"), [(252, np.uint8), (253, np.uint8), (253, np.uint16), (1000, np.uint16)])
def test_tokens_tell_any_number_of_operations_apart(count: int, kind: type) -> None:
    graphs = with_operations(count, kind)
    tokens = graphs.tokens()
    assert tokens[:, 1].tolist() == list(range(4, 4 + count))
    assert tokens.max() == graphs.vocabulary - 1
    short = replace(graphs, identities=("0",)).contracted()
    assert short.labels[1:, 1].tolist() == list(range(FIRST_OPERATION, FIRST_OPERATION + count - 1))


def test_labels_that_cannot_tell_the_operations_apart_are_refused() -> None:
    with pytest.raises(UserError, match=r"there are 254 operations, labels of type uint8 tell 253 apart: .* uint16"):
        with_operations(254, np.uint8)


@pytest.mark.parametrize("edges", [2, 255, 256, 1 << 31])
def test_several_edges_are_an_edge_where_it_only_matters_whether_there_is_one(edges: int) -> None:
    one, several = complete(5), complete(5, edges)
    assert (several.tokens() == one.tokens()).all()
    assert (several.paths() == one.paths()).all()


def test_a_gene_of_more_choices_than_a_byte_holds_is_refused() -> None:
    class Wide(GeneSpace):
        def canonical(self, archs):
            return archs

        def graphs_of(self, canonical):
            raise NotImplementedError

    assert Wide((Gene("width", tuple(map(str, range(256)))),)).size == 256
    with pytest.raises(UserError, match="gene 'width' has 257 choices, must have 1..256"):
        Wide((Gene("width", tuple(map(str, range(257)))),))
