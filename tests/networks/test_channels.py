from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cells import graph

from nas.errors import UserError
from nas.graphs import ABSENT, INPUT, OUTPUT, Graphs
from nas.networks import Skeleton, vertex_channels
from nas.networks.cell import CellNetwork
from nas.spaces import NB101
from nas.spaces.nb101 import OPERATIONS


def parameters_of(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def published(real_table: Path) -> tuple[Graphs, np.ndarray]:
    with np.load(real_table) as table:
        bits, ops, params = table["adj_bits"], table["ops"], table["params"]
    adjacency = np.zeros((len(bits), 7, 7), dtype=np.bool_)
    for y in range(7):
        for x in range(y):
            adjacency[:, x, y] = bits >> np.uint32(x + y * (y - 1) // 2) & 1
    labels = np.full(256, ABSENT, dtype=np.uint8)
    labels[:5] = [3, 4, 5, INPUT, OUTPUT]
    return Graphs(adjacency, labels[ops], OPERATIONS), params  # the vertices in the file's order, which counts


def test_parameters_are_the_published_ones_for_every_cell(published: tuple[Graphs, np.ndarray]) -> None:
    graphs, params = published
    np.testing.assert_array_equal(Skeleton(128, 3, 3).parameters(graphs), params)


def test_parameters_of_built_networks_are_the_published_ones(published: tuple[Graphs, np.ndarray]) -> None:
    graphs, params = published
    for row in np.random.default_rng(0).choice(len(graphs), 5, replace=False):
        one = Graphs(graphs.adjacency[row : row + 1], graphs.labels[row : row + 1], OPERATIONS)
        with torch.device("cpu"):
            assert parameters_of(CellNetwork(one, Skeleton(128, 3, 3), [torch.Generator()])) == params[row]


@pytest.mark.parametrize("skeleton", [Skeleton(7, 2, 2, 5, 1), Skeleton(8, 1, 1, 2, 3), Skeleton(3, 3, 1, 10, 1)])
def test_count_is_that_of_the_built_network(skeleton: Skeleton) -> None:
    space = NB101(max_vertices=5)
    archs = space.sample(20, np.random.default_rng(1))
    counts = skeleton.parameters(space.graphs(archs))
    for arch, count in zip(archs, counts, strict=True):
        network = CellNetwork(space.graphs(arch[None]), skeleton, [torch.Generator()] * 2)
        assert parameters_of(network) == 2 * count


def test_channels_are_divided_among_the_vertices_that_feed_the_output() -> None:
    # 1, 2 and 3 feed the output, which has 8 channels; the first two get the remainder
    cell = graph([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], 0, 1, 2)
    assert vertex_channels(cell, 4, 8).tolist() == [[4, 3, 3, 2, 8]]


def test_a_vertex_that_does_not_feed_the_output_is_as_wide_as_the_widest_it_feeds() -> None:
    cell = graph([(0, 1), (1, 2), (1, 3), (0, 3), (2, 4), (3, 4), (0, 4)], 0, 1, 2)
    assert vertex_channels(cell, 6, 9).tolist() == [[6, 5, 5, 4, 9]]


def test_direct_cell_is_one_projection() -> None:
    cell = graph([(0, 1)])
    assert vertex_channels(cell, 4, 8).tolist() == [[4, 8]]
    # stem 9 * 1 * 4 + 8, projection 4 * 4 + 8, dense 4 * 10 + 10
    assert Skeleton(4, 1, 1, 10, 1).parameters(cell).tolist() == [44 + 24 + 50]


def test_absent_vertices_change_nothing() -> None:
    five, seven = NB101(max_vertices=5), NB101(max_vertices=7)
    archs = five.enumerate()
    graphs = five.graphs(archs)
    wide = np.zeros((len(archs), len(seven.genes)), dtype=np.uint8)
    names = [gene.name for gene in seven.genes]
    for column, gene in enumerate(five.genes):
        name = gene.name.replace("->4", "->6")
        wide[:, names.index(name)] = archs[:, column]
    np.testing.assert_array_equal(Skeleton(8).parameters(graphs), Skeleton(8).parameters(seven.graphs(wide)))


@pytest.mark.parametrize("name", ["stem", "stacks", "cells", "classes", "image_channels"])
def test_skeleton_refuses_what_is_out_of_range(name: str) -> None:
    with pytest.raises(UserError, match=rf"^{name} is 0, must be at least"):
        Skeleton(**{name: 0})


def test_an_operation_without_a_network_is_refused() -> None:
    cell = Graphs(graph([(0, 1), (1, 2)], 0).adjacency, graph([(0, 1), (1, 2)], 0).labels, ("attention",))
    with pytest.raises(UserError, match="'attention' cannot be trained, allowed: conv3x3-bn-relu"):
        Skeleton().parameters(cell)
