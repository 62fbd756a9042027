from __future__ import annotations

import numpy as np
import pytest
import torch
from cells import graph
from torch import nn

from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.networks.cell import Cell, CellNetwork
from nas.spaces import NB101


def identity_projections(cell: Cell) -> None:
    """Make every projection pass its first channels through (ReLU keeps what is positive)."""
    for projection in cell.projections.values():
        assert isinstance(projection, nn.Sequential)
        nn.init.dirac_(projection[0].weight)
        projection[1] = nn.Identity()


def test_output_is_the_concatenation_plus_the_projected_input() -> None:
    cell = Cell(graph([(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)], 2, 2), before=4, after=4)
    identity_projections(cell)
    images = torch.rand(2, 4, 5, 5)
    pooled = nn.functional.max_pool2d(images[:, :2], 3, 1, 1)
    torch.testing.assert_close(cell(images), torch.cat([pooled, pooled], dim=1) + images)


def test_a_wider_source_is_cut_to_the_first_channels() -> None:
    # vertex 1 has 3 channels (it feeds 2, of 3), vertex 3 has 2: of 1 it takes the first 2, and adds the input
    cell = Cell(graph([(0, 1), (1, 2), (1, 3), (0, 3), (2, 4), (3, 4)], 2, 2, 2), before=5, after=5)
    identity_projections(cell)
    images = torch.rand(2, 5, 6, 6)

    def pool(values: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool2d(values, 3, 1, 1)

    first = pool(images[:, :3])
    third = pool(first[:, :2] + images[:, :2])
    torch.testing.assert_close(cell(images), torch.cat([pool(first), third], dim=1))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("row", range(0, 2532, 211))
def test_copies_side_by_side_are_the_networks_apart(row: int) -> None:
    space = NB101(max_vertices=5)
    one: Graphs = space.graphs(space.enumerate()[row : row + 1])
    skeleton = Skeleton(8, 2, 1, 10, 2)
    images = torch.randn(4, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    together = CellNetwork(one, skeleton, generators(5, 6, 7))(images)
    apart = [CellNetwork(one, skeleton, generators(seed)) for seed in (5, 6, 7)]
    expected = torch.cat([network(part) for network, part in zip(apart, images.chunk(3, dim=1), strict=True)], dim=1)
    assert together.shape == (4, 3, 10)
    torch.testing.assert_close(together, expected, rtol=1e-3, atol=1e-4)


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    CellNetwork(graph([(0, 1), (1, 2)], 0), Skeleton(4), generators(1))
    assert torch.rand(1) == expected


def test_images_of_odd_sides_are_trained_on() -> None:
    network = CellNetwork(graph([(0, 1), (1, 2)], 0), Skeleton(4, 3, 1, 10, 1), generators(1))
    assert network(torch.rand(2, 1, 5, 7)).shape == (2, 1, 10)
    assert np.isfinite(network(torch.rand(2, 1, 1, 1)).detach().numpy()).all()
