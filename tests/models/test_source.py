"""The module that is written against the network that was trained."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import torch

from nas.errors import UserError
from nas.graphs import Graphs
from nas.models import network_source, source_of
from nas.networks import ResidualSkeleton, Skeleton
from nas.spaces import NB101, NB201

SPACES = {
    "nb101": (NB101(), Skeleton(6, 3, 2, 7, 3)),
    "nb101, one cell": (NB101(), Skeleton(5, 1, 1, 1, 1)),
    "nb201": (NB201(), ResidualSkeleton(4, 3, 2, 7, 3)),
    "nb201, one cell": (NB201(), ResidualSkeleton(4, 1, 1, 2, 1)),
}


def executed(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(source, "model.py", "exec"), names)
    return names


def filled(skeleton: Skeleton, graph: Graphs) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A network with statistics that are not those of its start, and its module."""
    network = skeleton.network(graph, [torch.Generator().manual_seed(1)])
    torch.manual_seed(0)
    network.train()
    network(torch.randn(16, skeleton.image_channels, 9, 6))
    module = executed(source_of(skeleton, graph, "Sees."))["Network"]([2.0] * skeleton.image_channels,
                                                                      [3.0] * skeleton.image_channels)  # fmt: skip
    pairs = list(zip(network.state_dict().values(), module.state_dict().values(), strict=True))
    for theirs, own in pairs:
        own.copy_(theirs.reshape(own.shape))
    return network.eval(), module.eval()


@pytest.mark.parametrize("name", SPACES)
def test_the_module_gives_what_the_network_gives(name: str) -> None:
    space, skeleton = SPACES[name]
    graphs = space.graphs(space.sample(25, np.random.default_rng(0)))
    torch.manual_seed(3)
    images = torch.randn(4, skeleton.image_channels, 9, 6)
    for row in range(25):
        network, module = filled(skeleton, graphs.take(slice(row, row + 1)))
        with torch.inference_mode():
            wanted, found = network((images - 2) / 3)[:, 0], module(images)
        assert float((wanted - found).abs().max()) < 1e-4 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize("name", SPACES)
def test_the_module_imports_torch_alone_and_names_what_it_uses(name: str) -> None:
    space, skeleton = SPACES[name]
    for row in range(10):
        graph = space.graphs(space.sample(10, np.random.default_rng(1))).take(slice(row, row + 1))
        tree = ast.parse(source_of(skeleton, graph, 'Says "no" \\ and more.'))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules == {"__future__", "hashlib", "json", "pathlib", "torch"}
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert defined - {"Model"} <= used | {"Model"}  # nothing is written that is not used
        assert (ast.get_docstring(tree) or "").startswith("Says 'no' \\ and more.")


def test_a_skeleton_of_ones_own_is_refused_until_it_is_taught() -> None:
    class Mine:
        pass

    with pytest.raises(UserError, match=r"networks of a Mine cannot be written .*network_source\.register"):
        network_source(Mine(), None)  # type: ignore[arg-type]
