"""Features against networkx: every path of every graph, walked one by one."""

from __future__ import annotations

from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.graphs.features import feature_names, graph_features
from nas.graphs.walks import signal_features, signal_names, walk_features, walk_names
from nas.spaces import NB101, NB201

SETS = [frozenset(o for o in range(3) if row >> o & 1) for row in range(8)]


def paths_of(graphs: Graphs, row: int) -> list[list[int]]:
    graph = nx.DiGraph(list(zip(*np.nonzero(graphs.adjacency[row]), strict=True)))
    return list(nx.all_simple_paths(graph, 0, graphs.labels[row].tolist().index(OUTPUT)))


def expected_features(graphs: Graphs, row: int) -> list[float]:
    label = graphs.labels[row].tolist()
    v = len(label)
    kind = [{INPUT: "in", OUTPUT: "out", ABSENT: None}.get(code, code - FIRST_OPERATION) for code in label]
    paths = paths_of(graphs, row)
    over = [[p for p in paths if all(kind[x] in s for x in p[1:-1])] for s in SETS]
    edges = [(kind[x], kind[y]) for x, y in zip(*np.nonzero(graphs.adjacency[row]), strict=True)]
    counts = [[sum(kind[x] == o for x in p) for p in paths] for o in range(3)]
    return [
        *(min((len(p) - 1 for p in some), default=v) for some in over),
        *(max((len(p) - 1 for p in some), default=0) for some in over),
        *(len(some) for some in over),
        *(sum(a == "in" and b in s for a, b in edges) for s in SETS[1:]),
        *(sum(a in s and b == "out" for a, b in edges) for s in SETS[1:]),
        *(sum(a in s and b in s for a, b in edges) for s in SETS[1:]),
        *(max(count) for count in counts),
        *(min(count) for count in counts),
        *(kind.count(o) for o in range(3)),
        *(edges.count(pair) for pair in product(["in", 0, 1, 2], [0, 1, 2, "out"])),
        *(sum(b == o for _, b in edges) for o in range(3)),
        *(sum(a == o for a, _ in edges) for o in range(3)),
        sum(code is not None for code in kind),
    ]


def test_plain_features_are_those_of_the_paths_walked_one_by_one(space: NB101) -> None:
    archs = space.sample(150, np.random.default_rng(0))
    graphs = space.graphs(archs)
    features = graph_features(graphs)
    assert features.shape == (150, len(feature_names(graphs.operations)))
    for row in range(len(graphs)):
        assert features[row].tolist() == expected_features(graphs, row), row


def test_walk_features_are_the_moments_over_the_paths_walked_one_by_one(space: NB101) -> None:
    graphs = space.graphs(space.sample(60, np.random.default_rng(1)))
    features = walk_features(graphs)
    assert features.shape == (60, len(walk_names(graphs.operations)))
    for row in range(len(graphs)):
        adjacency, label = graphs.adjacency[row], graphs.labels[row].astype(int) - FIRST_OPERATION
        paths = paths_of(graphs, row)
        back = [np.prod([1 / adjacency[:, y].sum() for y in p[1:]]) for p in paths]
        onward = [np.prod([1 / adjacency[x].sum() for x in p[:-1]]) for p in paths]
        expected: list[float] = []
        for probability in (np.array(back), np.array(onward), np.full(len(paths), 1 / len(paths))):
            assert probability.sum() == pytest.approx(1)
            inner = [[int(label[x]) for x in p[1:-1]] for p in paths]
            for a, b in product([-2, 0, 1, 2], [0, 1, 2, -1]):
                edges = [sum((label[x], label[y]) == (a, b) for x, y in pairwise(p)) for p in paths]
                expected.append(probability @ edges)
            for kinds in ({0}, {1}, {2}, {0, 1, 2}):
                count = np.array([sum(o in kinds for o in some) for some in inner])
                expected.append(np.sqrt(max(probability @ count**2 - (probability @ count) ** 2, 0)))
            for some_set in SETS[1:]:
                expected.append(probability @ [0.5 ** sum(o in some_set for o in some) for some in inner])
        assert features[row] == pytest.approx(expected, abs=1e-3)


def chain(labels: list[int]) -> Graphs:
    v = len(labels)
    return Graphs(np.eye(v, k=1, dtype=np.bool_)[None], np.array([labels], dtype=np.uint8), ("a", "b"))


def test_correlations_in_a_chain_are_the_arc_cosine_kernel_repeated() -> None:
    features = signal_features(chain([INPUT, FIRST_OPERATION, FIRST_OPERATION + 1, FIRST_OPERATION, OUTPUT]))[0]
    values = dict(zip(signal_names(("a", "b")), features.tolist(), strict=True))
    once = 1 / np.pi
    twice = (np.sqrt(1 - once**2) + once * (np.pi - np.arccos(once))) / np.pi
    for how in ("by edges", "by variance"):
        assert values[f"correlation {how} through {{b}}"] == pytest.approx(once, abs=1e-6)
        assert values[f"correlation {how} through {{a}}"] == pytest.approx(twice, abs=1e-6)


def test_several_edges_carry_one_signal_several_times() -> None:
    """Twice what a layer gives, plus the input: its deviation is 2, the variance of the sum 5."""
    graphs = chain([INPUT, FIRST_OPERATION, OUTPUT])
    adjacency = np.array([[[0, 1, 1], [0, 0, 2], [0, 0, 0]]], dtype=np.uint8)
    features = signal_features(Graphs(adjacency, graphs.labels, ("a", "b")))[0]
    values = dict(zip(signal_names(("a", "b")), features.tolist(), strict=True))
    once = 1 / np.pi
    assert values["log variance through {a}"] == pytest.approx(np.log(1 + 5), abs=1e-6)
    assert values["correlation by variance through {a}"] == pytest.approx(4 * once / 5, abs=1e-6)
    assert values["correlation by edges through {a}"] == pytest.approx(2 * once / 3, abs=1e-6)


def test_features_of_several_edges_are_those_of_identities_in_between() -> None:
    """What does not tell an identity from an edge is the same before and after contraction."""
    space = NB201()
    graphs = space.graphs(space.enumerate())
    short = graphs.contracted()
    raw = dict(zip(feature_names(graphs.operations), graph_features(graphs).T, strict=True))
    new = dict(zip(feature_names(short.operations), graph_features(short).T, strict=True))
    reachable = new["number of path over {nor_conv_1x1, nor_conv_3x3, avg_pool_3x3}"] > 0
    assert (~reachable).sum() == 1
    for name in [name for name in new if name.startswith("number of path over")]:
        inner = name.removeprefix("number of path over {").rstrip("}")
        wider = "number of path over {" + ", ".join(["skip_connect", *([inner] if inner else [])]) + "}"
        assert (new[name] == raw[wider]).all(), name
    for what in ("most", "fewest", "vertices of"):
        for operation in short.operations:
            assert (new[f"{what} {operation}"] == raw[f"{what} {operation}"])[reachable].all(), operation
    walks = [dict(zip(walk_names(g.operations), walk_features(g).T, strict=True)) for g in (graphs, short)]
    for name in [name for name in walks[1] if name.startswith("all paths alike: de")]:
        if "of all" not in name:
            assert walks[0][name] == pytest.approx(walks[1][name], abs=1e-3), name


def test_operations_of_any_number_get_their_columns() -> None:
    graphs = chain([INPUT, FIRST_OPERATION + 1, OUTPUT])
    values = dict(zip(feature_names(graphs.operations), graph_features(graphs)[0].tolist(), strict=True))
    assert values["number of path over {b}"] == values["longest path over {a, b}"] - 1 == 1
    assert values["longest path over {a}"] == 0
    assert values["shortest path over {a}"] == 3  # as many as there are vertices: none


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_features_do_not_depend_on_the_batch_or_on_absent_vertices(seed: int, n: int) -> None:
    space, small = NB101(), NB101(max_vertices=5)
    archs = space.sample(n, np.random.default_rng(seed))
    for features in (graph_features, walk_features, signal_features):
        whole = features(space.graphs(archs))
        assert np.isfinite(whole).all()
        assert (features(space.graphs(archs[-1:])) == whole[-1:]).all()
    graphs = small.graphs(small.sample(n, np.random.default_rng(seed)))
    wide = Graphs(
        np.pad(graphs.adjacency, ((0, 0), (0, 2), (0, 2))), np.pad(graphs.labels, ((0, 0), (0, 2))), graphs.operations
    )
    assert (walk_features(wide) == walk_features(graphs)).all()
    assert (signal_features(wide) == signal_features(graphs)).all()


@pytest.mark.parametrize("features", [graph_features, walk_features, signal_features])
def test_no_graph_gives_no_row(features, space: NB101) -> None:
    empty = features(space.graphs(space.sample(0, np.random.default_rng(0))))
    assert empty.shape == (0, features(space.graphs(space.sample(1, np.random.default_rng(0)))).shape[1])
