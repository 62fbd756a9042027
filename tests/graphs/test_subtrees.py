"""Counts of subtrees."""

from __future__ import annotations

import numpy as np

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.graphs.subtrees import subtree_features
from nas.spaces import NB101


def graphs(*edges: list[tuple[int, int]], labels: list[int]) -> Graphs:
    adjacency = np.zeros((len(edges), len(labels), len(labels)), dtype=np.bool_)
    for place, pairs in enumerate(edges):
        for x, y in pairs:
            adjacency[place, x, y] = True
    return Graphs(adjacency, np.tile(np.array(labels, dtype=np.uint8), (len(edges), 1)), ("a", "b"))


A, B = FIRST_OPERATION, FIRST_OPERATION + 1
CHAIN = [(0, 1), (1, 2), (2, 3)]


def test_labels_count_at_depth_0_and_neighbourhoods_beyond() -> None:
    [one] = subtree_features(graphs(CHAIN, labels=[INPUT, A, A, OUTPUT]))
    counts = np.round((one / one[one > 0].min()) ** 1).astype(int)
    assert counts.sum() == 4 * 4  # vertices at depths 0 to 3
    assert (counts == 2).sum() == 1  # the two with label a, and only at depth 0: their neighbours differ
    assert np.isclose((one**2).sum(), 1)


def test_the_same_graph_in_another_order_is_the_same_and_a_turned_edge_is_not() -> None:
    fork = graphs([(0, 1), (0, 2), (1, 3), (2, 3)], labels=[INPUT, A, B, OUTPUT])
    turned = graphs([(0, 1), (0, 2), (1, 3), (2, 3)], labels=[INPUT, B, A, OUTPUT])
    assert (subtree_features(fork) == subtree_features(turned)).all()
    crossed = graphs([(0, 1), (1, 2), (1, 3), (2, 3)], labels=[INPUT, A, B, OUTPUT])
    assert (subtree_features(fork) != subtree_features(crossed)).any()


def test_absent_vertices_do_not_count() -> None:
    with_absent = graphs(CHAIN, labels=[INPUT, A, B, OUTPUT, ABSENT])
    assert (subtree_features(with_absent) == subtree_features(graphs(CHAIN, labels=[INPUT, A, B, OUTPUT]))).all()


def test_nearly_all_cells_are_told_apart() -> None:
    space = NB101(max_vertices=5)
    features = subtree_features(space.batch(space.enumerate()).graphs)
    distinct = len(np.unique(features, axis=0))
    assert distinct > 0.98 * len(features)
