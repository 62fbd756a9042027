from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cells import graph
from torch import nn

from nas.errors import UserError
from nas.networks import ResidualSkeleton
from nas.networks.residual_cell import SumCell, operation
from nas.spaces import NB201

SPACE = NB201()


def cell(string: str):
    return SPACE.graphs(SPACE.from_strings([string]))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_parameters_are_the_published_ones_for_every_network(real_nb201: Path) -> None:
    """A row counts operations that carry nothing too; the cell without any has the fewest of a network's rows."""
    with np.load(real_nb201) as table:
        ops, published = table["ops"], np.rint(1e6 * table["params_m"]).astype(np.int64)
    bare = (SPACE.canonical(ops) == ops).all(axis=1)
    assert bare.sum() == 5_044
    for classes, column in ((10, published[:, 0]), (100, published[:, 1])):
        counts = ResidualSkeleton(16, 3, 5, classes).parameters(SPACE.graphs(ops))
        np.testing.assert_array_equal(counts[bare], column[bare])
        assert (counts <= column).all()


@pytest.mark.parametrize(
    "skeleton", [ResidualSkeleton(16, 3, 5), ResidualSkeleton(8, 2, 2, 5, 1), ResidualSkeleton(4, 1, 1, 2, 3)]
)
def test_count_is_that_of_the_built_network(skeleton: ResidualSkeleton) -> None:
    archs = SPACE.sample(6, np.random.default_rng(1))
    for arch, count in zip(archs, skeleton.parameters(SPACE.graphs(archs)), strict=True):
        network = skeleton.network(SPACE.graphs(arch[None]), generators(0, 1))
        assert sum(parameter.numel() for parameter in network.parameters()) == 2 * count


def test_a_cell_sums_what_its_operations_make() -> None:
    made = SumCell(cell("|avg_pool_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|skip_connect~1|avg_pool_3x3~2|"), 2)
    images = torch.rand(3, 2, 5, 6)
    pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
    torch.testing.assert_close(made(images), pool(images) + pool(images + pool(images)))


def test_convolutions_come_after_relu_and_before_batch_norm() -> None:
    made = SumCell(cell("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"), 2)
    images = torch.randn(8, 2, 6, 6)
    conv = next(module for module in made.modules() if isinstance(module, nn.Conv2d))
    expected = nn.functional.batch_norm(conv(images.relu()), None, None, training=True)
    torch.testing.assert_close(made(images), expected)


def test_a_cell_that_carries_nothing_gives_zero_and_can_be_trained() -> None:
    dead = cell("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert (SumCell(dead, 4)(torch.rand(2, 4, 3, 3)) == 0).all()
    scores = ResidualSkeleton(4, 2, 1).network(dead, generators(0))(torch.rand(2, 3, 8, 8))
    scores.sum().backward()
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("seed", range(4))
def test_copies_side_by_side_are_the_networks_apart(seed: int) -> None:
    one = SPACE.graphs(SPACE.sample(1, np.random.default_rng(seed)))
    skeleton = ResidualSkeleton(4, 2, 1, 10, 2)
    images = torch.randn(4, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    together = skeleton.network(one, generators(5, 6, 7))(images)
    apart = [skeleton.network(one, generators(seed)) for seed in (5, 6, 7)]
    expected = torch.cat([network(part) for network, part in zip(apart, images.chunk(3, dim=1), strict=True)], dim=1)
    torch.testing.assert_close(together, expected, rtol=1e-3, atol=1e-4)


def test_images_of_odd_sides_are_trained_on() -> None:
    network = ResidualSkeleton(4, 3, 1, 10, 1).network(SPACE.graphs(SPACE.enumerate()[-1:]), generators(1))
    assert network(torch.rand(2, 1, 5, 7)).shape == (2, 1, 10)


def test_operations_of_another_space_are_refused() -> None:
    with pytest.raises(UserError, match="'conv3x3-bn-relu' cannot be trained, allowed: skip_connect"):
        ResidualSkeleton().parameters(graph([(0, 1), (1, 2)], 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"])
def test_the_gradient_of_an_operation_on_a_gpu_is_that_on_a_cpu(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images, weights = torch.randn((2, 8, 4, 6, 6), generator=generator, dtype=torch.float64)
    layer = operation(name, 4, 1).double()
    found = []
    for device in ("cpu", "cuda"):
        arriving = images.to(device).contiguous(memory_format=torch.channels_last).requires_grad_()
        [gradient] = torch.autograd.grad(layer.to(device)(arriving), arriving, weights.to(device))
        found.append(gradient.cpu())
    torch.testing.assert_close(*found)
