"""Networks with shared weights are the networks that are built one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cells import graph
from torch import Tensor, nn

from nas.graphs import Graphs
from nas.networks import ResidualSkeleton, Skeleton
from nas.networks.cell import Cell
from nas.networks.residual_cell import SumCell
from nas.networks.supernet import SharedCell, Supernet
from nas.spaces import NB101, NB201

IMAGES = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))
NARROW = Skeleton(5, 2, 2, 10, 2)  # of 5 channels one vertex has 5, two have 3 and 2
RESIDUAL = ResidualSkeleton(4, 2, 2, 10, 2)


def made(skeleton: Skeleton, graphs: Graphs) -> Supernet:
    """A supernet whose every number is drawn, those of batch norm too."""
    generator = torch.Generator().manual_seed(1)
    supernet = skeleton.supernet(graphs, generator)
    with torch.no_grad():
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2, generator=generator)
                module.bias.normal_(generator=generator)
    return supernet


def copy(source: nn.Module, target: nn.Module) -> None:
    """The first channels of a layer to another that may be narrower."""
    theirs = dict(source.named_parameters())
    for name, parameter in target.named_parameters():
        parameter.data.copy_(theirs[name][tuple(slice(size) for size in parameter.shape)])


def scores_of_its_own(skeleton: Skeleton, supernet: Supernet, one: Graphs, places: list[int]) -> Tensor:
    """What the network of one graph says that was built alone, and given the weights of the places."""
    network = skeleton.network(one, [torch.Generator().manual_seed(2)]).train()
    names = [one.operations[label - 3] for label in one.labels[0] if label > 2]
    for source, target in zip(supernet.network.features, network.features, strict=True):
        if isinstance(target, Cell):
            for vertex, block in target.projections.items():
                copy(source.shared[f"input {[0, *places][int(vertex)]}"], block)
        if not isinstance(target, Cell | SumCell):
            copy(source, target)
            continue
        blocks = target.operations.values() if isinstance(target, Cell) else target.operations
        for block, name, place in zip(blocks, names, places, strict=False):
            copy(source.shared[f"{name} {place}"], block)
    copy(supernet.network.dense, network.dense)
    return network(IMAGES)[:, 0]


@pytest.mark.parametrize("row", range(12))
def test_a_path_is_the_network_that_is_built_alone_on_nas_bench_101(row: int) -> None:
    space = NB101()
    graphs = space.graphs(space.sample(12, np.random.default_rng(0)))
    inner = int((graphs.labels[row] > 2).sum())
    one = graphs.take(slice(row, row + 1))
    supernet = made(NARROW, graphs)
    expected = scores_of_its_own(NARROW, supernet, one, [*range(1, 1 + inner), 6])
    torch.testing.assert_close(supernet(IMAGES, one), expected, rtol=1e-4, atol=1e-4)


def test_a_small_cell_ends_where_the_largest_does() -> None:
    space = NB101(max_vertices=5)
    graphs = space.graphs(space.enumerate())
    direct = graphs.take(np.flatnonzero((graphs.labels > 2).sum(axis=1) == 0))
    supernet = made(NARROW, graphs)
    expected = scores_of_its_own(NARROW, supernet, direct, [4])
    torch.testing.assert_close(supernet(IMAGES, direct), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("row", range(0, 5044, 500))
def test_a_path_is_the_network_that_is_built_alone_on_nas_bench_201(row: int) -> None:
    space = NB201()
    archs = space.enumerate()
    supernet = made(RESIDUAL, space.graphs(archs[:50]))
    one = space.graphs(archs[row : row + 1])
    edges = [1 + edge for edge, gene in enumerate(archs[row]) if gene]  # gene 0: there is none
    expected = scores_of_its_own(RESIDUAL, supernet, one, edges)
    torch.testing.assert_close(supernet(IMAGES, one), expected, rtol=1e-4, atol=1e-4)


def test_every_operation_at_once_is_their_sum() -> None:
    def path(operation: int) -> Graphs:
        return graph([(0, 1), (1, 2)], operation)

    cell = SharedCell(path(0), 3, 4)

    def output(operation: int, every: bool) -> Tensor:
        cell.follow(path(operation), every)
        return cell(images)

    images = torch.randn(5, 3, 6, 6)
    torch.testing.assert_close(output(1, True), sum(output(operation, False) for operation in range(3)))


def test_scores_do_not_depend_on_what_was_asked_before_or_on_the_mode() -> None:
    space = NB101(max_vertices=5)
    graphs = space.graphs(space.enumerate()[::300])
    supernet = made(NARROW, graphs)
    parts = [graphs.take(slice(row, row + 1)) for row in range(len(graphs))]
    first = [supernet(IMAGES, one) for one in parts]
    again = [supernet.eval()(IMAGES, one) for one in parts[::-1]][::-1]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_a_step_along_one_path_moves_the_weights_of_its_places_alone() -> None:
    space = NB201()
    supernet = made(RESIDUAL, space.graphs(space.enumerate()[:3]))
    cell = space.from_strings(["|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"])
    supernet(IMAGES, space.graphs_of(cell)).sum().backward()
    moved = {
        name.split(".shared.")[1].split(".")[0]
        for name, parameter in supernet.named_parameters()
        if parameter.grad is not None and ".shared." in name
    }
    assert moved == {"nor_conv_3x3 1", "nor_conv_1x1 3"}
