from __future__ import annotations

import networkx as nx
import numpy as np

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.spaces import NB101, NB201


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


def test_contraction_leaves_out_identities_and_counts_the_ways() -> None:
    # input -> a; a -> skip, skip, b; both skips -> output, one of them -> b; b -> output
    edges = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (2, 4), (4, 5)]
    adjacency = np.zeros((1, 6, 6), dtype=np.bool_)
    adjacency[0, [x for x, _ in edges], [y for _, y in edges]] = True
    labels = np.array([[INPUT, 4, 3, 3, 5, OUTPUT]], dtype=np.uint8)
    graphs = Graphs(adjacency, labels, ("skip", "a", "b"), identities=("skip",)).contracted()
    assert graphs.operations == ("a", "b")
    assert graphs.labels.tolist() == [[INPUT, 3, 4, OUTPUT, ABSENT, ABSENT]]
    assert {(x, y): graphs.adjacency[0, x, y] for x, y in np.argwhere(graphs.adjacency[0]).tolist()} == {
        (0, 1): 1,
        (1, 2): 2,
        (1, 3): 2,
        (2, 3): 1,
    }


def test_contraction_keeps_every_path() -> None:
    graphs = NB201().graphs(NB201().enumerate())
    short = graphs.contracted()
    assert short.operations == ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

    def paths(graphs: Graphs) -> np.ndarray:
        alone = np.linalg.inv(np.eye(graphs.labels.shape[1]) - graphs.adjacency)  # paths between any two vertices
        return alone[np.arange(len(graphs)), 0, (graphs.labels == OUTPUT).argmax(axis=1)].round()

    assert (paths(graphs) == paths(short)).all()
    assert NB101().graphs(NB101().sample(3, np.random.default_rng(0))).contracted().adjacency.dtype == np.bool_
