"""The cells and networks of NAS-Bench-101 as torch modules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nas.graphs import FIRST_OPERATION, OUTPUT, Graphs
from nas.networks.channels import vertex_channels
from nas.networks.classifier import Classifier, total
from nas.networks.kernels import CELL_KERNELS, kernel_areas
from nas.networks.sizes import Sizes


def convolution(inputs: int, outputs: int, kernel: int, copies: int) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU: from `inputs` to `outputs` channels in each copy."""
    conv = nn.Conv2d(copies * inputs, copies * outputs, kernel, padding=kernel // 2, groups=copies, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(copies * outputs), nn.ReLU(inplace=True))


def operation(name: str, width: int, copies: int) -> nn.Module:
    """The operation of this name on `width` channels in each copy."""
    kernel = CELL_KERNELS[name]
    return convolution(width, width, kernel, copies) if kernel else nn.MaxPool2d(3, stride=1, padding=1)


class Cell(nn.Module):
    """One cell: vertices in order, each the sum of its inputs followed by its operation.

    The cell's input comes to a vertex by a projection (1x1 convolution, batch norm, ReLU); that of an inner vertex
    comes as it is, cut to the first channels where the receiver has fewer. The output is the concatenation of the inner
    vertices that feed it, plus a projection of the cell's input where that feeds it too.

    Args:
        graph: one graph.
        before: channels that enter, in each copy.
        after: channels that leave, in each copy.
        copies: networks side by side.

    Raises:
        UserError: an operation cannot be trained.
    """

    def __init__(self, graph: Graphs, before: int, after: int, copies: int = 1) -> None:
        super().__init__()
        kernel_areas(graph, CELL_KERNELS)  # refuses an operation it does not know
        self.before, self.after, self.copies = before, after, copies
        self.projections = nn.ModuleDict()
        self.operations = nn.ModuleDict()
        self.trace(graph)
        self.build(graph)

    def trace(self, graph: Graphs) -> None:
        """Take over the edges and the widths of one graph."""
        self.last = graph.labels[0].tolist().index(OUTPUT)
        self.sources = [np.flatnonzero(graph.adjacency[0, :, vertex]).tolist() for vertex in range(self.last + 1)]
        self.channels: list[int] = vertex_channels(graph, self.before, self.after)[0].tolist()

    def build(self, graph: Graphs) -> None:
        """Make the layers of the graph that was traced."""
        for vertex in range(1, self.last + 1):
            if 0 in self.sources[vertex]:
                self.projections[str(vertex)] = convolution(self.before, self.channels[vertex], 1, self.copies)
            if vertex < self.last:
                name = graph.operations[graph.labels[0, vertex] - FIRST_OPERATION]
                self.operations[str(vertex)] = operation(name, self.channels[vertex], self.copies)

    def project(self, vertex: int, images: Tensor) -> Tensor:
        """What comes to a vertex from the cell's input."""
        projected: Tensor = self.projections[str(vertex)](images)
        return projected

    def operate(self, vertex: int, arriving: Tensor) -> Tensor:
        """What a vertex makes of what comes to it."""
        made: Tensor = self.operations[str(vertex)](arriving)
        return made

    def forward(self, images: Tensor) -> Tensor:
        """Map `(batch, copies * before, height, width)` to `(batch, copies * after, height, width)`."""
        values = [images]
        for vertex in range(1, self.last):
            arriving = [
                self.project(vertex, images) if source == 0 else self._cut(values[source], vertex)
                for source in self.sources[vertex]
            ]
            values.append(self.operate(vertex, total(arriving)))
        inner = [values[source] for source in self.sources[self.last] if source]
        outputs = [self._join(inner)] if inner else []
        if 0 in self.sources[self.last]:
            outputs.append(self.project(self.last, images))
        return total(outputs)

    def _cut(self, value: Tensor, vertex: int) -> Tensor:
        width = self.channels[vertex]
        if value.shape[1] == self.copies * width:
            return value
        return _joined([_split(value, self.copies)[..., :width]])

    def _join(self, values: list[Tensor]) -> Tensor:
        if len(values) == 1:
            return values[0]
        return _joined([_split(value, self.copies) for value in values])


def _split(value: Tensor, copies: int) -> Tensor:
    last = value.permute(0, 2, 3, 1)  # channels last: much the fastest layout, on CPU too
    return last.reshape(*last.shape[:3], copies, -1)


def _joined(values: list[Tensor]) -> Tensor:
    return torch.cat(values, dim=4).flatten(3).permute(0, 3, 1, 2)


class CellNetwork(Classifier):
    """The cell of one graph, repeated in the skeleton of NAS-Bench-101.

    Args:
        graph: one graph.
        skeleton: what surrounds the cells.
        generators: one for each copy.

    Raises:
        UserError: an operation cannot be trained.
    """

    cell: type[Cell] = Cell

    def layers(self, graph: Graphs, skeleton: Sizes) -> Iterator[nn.Module]:
        """Stem, and cells with a max-pool between stacks."""
        yield convolution(skeleton.image_channels, skeleton.stem, 3, self.copies)
        for number, (before, after) in enumerate(skeleton.widths()):
            if number and number % skeleton.cells == 0:
                yield nn.MaxPool2d(2, ceil_mode=True)
            yield self.cell(graph, before, after, self.copies)
