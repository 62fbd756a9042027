from __future__ import annotations

import networkx as nx
import numpy as np

from nas.graphs import FIRST_OPERATION, Graphs
from nas.spaces import NB101


def test_tokens_of_a_cell_written_out_by_hand(space: NB101) -> None:
    """Input -> 3x3 -> 1x1 -> output, and input -> output: 4 of 7 vertices."""
    arch = np.zeros((1, 26), dtype=np.uint8)
    for x, y in [(0, 1), (1, 2), (2, 6), (0, 6)]:
        arch[0, x + y * (y - 1) // 2] = 1
    arch[0, 21:23] = [0, 1]
    tokens = space.graphs(arch).tokens()[0]
    none, edge, output, conv3x3, conv1x1 = 1, 2, 3, 4, 5
    written = [edge, conv3x3] + [none, edge, conv1x1] + [edge, none, edge, output]
    assert tokens.tolist() == written + [0] * (27 - len(written))


def test_tokens_tell_all_cells_apart(small_space: NB101) -> None:
    graphs = small_space.graphs(small_space.enumerate())
    tokens = graphs.tokens()
    assert len(np.unique(tokens, axis=0)) == 2532
    assert set(np.unique(tokens)) == set(range(graphs.vocabulary))


def operation_sequences(graphs: Graphs, row: int) -> set[int]:
    """Columns of the path encoding, by walking every path."""
    graph = nx.DiGraph(list(zip(*np.nonzero(graphs.adjacency[row]), strict=True)))
    output = int(graphs.labels[row].tolist().index(2))
    columns = set()
    for path in nx.all_simple_paths(graph, 0, output):
        column = 0
        for vertex in path[1:-1]:
            column = column * len(graphs.operations) + 1 + int(graphs.labels[row, vertex]) - FIRST_OPERATION
        columns.add(column)
    return columns


def test_path_encoding_holds_the_operation_sequences_of_all_paths(space: NB101) -> None:
    graphs = space.graphs(space.sample(200, np.random.default_rng(0)))
    paths = graphs.paths()
    assert paths.shape == (200, 364)
    for row in range(len(graphs)):
        assert set(np.flatnonzero(paths[row]).tolist()) == operation_sequences(graphs, row)
