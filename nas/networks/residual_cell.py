"""The cells and networks of NAS-Bench-201 as torch modules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nas.graphs import FIRST_OPERATION, OUTPUT, Graphs
from nas.networks.classifier import Classifier, total
from nas.networks.kernels import RESIDUAL_KERNELS, kernel_areas
from nas.networks.sizes import Sizes


def normalised(inputs: int, outputs: int, kernel: int, copies: int, stride: int = 1) -> list[nn.Module]:
    """Convolution without bias and batch norm, from `inputs` to `outputs` channels in each copy."""
    conv = nn.Conv2d(copies * inputs, copies * outputs, kernel, stride, padding=kernel // 2, groups=copies, bias=False)
    return [conv, nn.BatchNorm2d(copies * outputs)]


def convolution(inputs: int, outputs: int, kernel: int, copies: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch norm."""
    return nn.Sequential(nn.ReLU(), *normalised(inputs, outputs, kernel, copies, stride))


def operation(name: str, width: int, copies: int) -> nn.Module:
    """The operation of this name on `width` channels in each copy."""
    if kernel := RESIDUAL_KERNELS[name]:
        return convolution(width, width, kernel, copies)
    return nn.Identity() if name == "skip_connect" else Average(3, 1, padding=1, count_include_pad=False)


class Average(nn.AvgPool2d):
    """Average pooling whose gradient is right on a GPU, too.

    Up to PyTorch 2.13 that of padded images in channels-last order is silently wrong on CUDA (pytorch issue 188344).
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map `(batch, channels, h, w)` as `nn.AvgPool2d` does."""
        return super().forward(images.contiguous() if images.is_cuda else images)


class SumCell(nn.Module):
    """One cell: every vertex applies its operation to the sum of its inputs; the output is the sum of its own.

    Args:
        graph: one graph; without an edge, the output is zero.
        width: channels that enter and leave, in each copy.
        copies: networks side by side.

    Raises:
        UserError: an operation cannot be trained.
    """

    def __init__(self, graph: Graphs, width: int, copies: int = 1) -> None:
        super().__init__()
        kernel_areas(graph, RESIDUAL_KERNELS)  # refuses an operation it does not know
        self.width, self.copies = width, copies
        self.operations = nn.ModuleList()
        self.trace(graph)
        self.build(graph)

    def trace(self, graph: Graphs) -> None:
        """Take over the edges of one graph."""
        self.last = graph.labels[0].tolist().index(OUTPUT)
        self.sources = [np.flatnonzero(graph.adjacency[0, :, vertex]).tolist() for vertex in range(self.last + 1)]

    def build(self, graph: Graphs) -> None:
        """Make the layers of the graph that was traced."""
        names = [graph.operations[label - FIRST_OPERATION] for label in graph.labels[0, 1 : self.last]]
        self.operations.extend(operation(name, self.width, self.copies) for name in names)

    def operate(self, vertex: int, arriving: Tensor) -> Tensor:
        """What a vertex makes of what comes to it."""
        made: Tensor = self.operations[vertex - 1](arriving)
        return made

    def forward(self, images: Tensor) -> Tensor:
        """Map `(batch, copies * width, h, w)` to the same shape."""
        values = [images]
        for vertex in range(1, self.last):
            values.append(self.operate(vertex, total([values[source] for source in self.sources[vertex]])))
        return total([values[source] for source in self.sources[-1]] or [torch.zeros_like(images)])


class ResidualBlock(nn.Module):
    """Halve the image: two 3x3 convolutions, added to a projection of what is pooled (He et al. 2016, modified).

    Args:
        before: channels that enter, in each copy.
        after: channels that leave, in each copy.
        copies: networks side by side.
    """

    def __init__(self, before: int, after: int, copies: int = 1) -> None:
        super().__init__()
        self.deep = nn.Sequential(convolution(before, after, 3, copies, stride=2), convolution(after, after, 3, copies))
        projection = nn.Conv2d(copies * before, copies * after, 1, groups=copies, bias=False)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), projection)

    def forward(self, images: Tensor) -> Tensor:
        """Map `(batch, copies * before, h, w)` to `(batch, copies * after, h / 2, w / 2)`, rounded up."""
        return total([self.deep(images), self.shortcut(images)])


class ResidualNetwork(Classifier):
    """The cell of one graph, repeated in the skeleton of NAS-Bench-201.

    Args:
        graph: one graph.
        skeleton: what surrounds the cells.
        generators: one for each copy.

    Raises:
        UserError: an operation cannot be trained.
    """

    cell: type[SumCell] = SumCell

    def layers(self, graph: Graphs, skeleton: Sizes) -> Iterator[nn.Module]:
        """Stem, stacks of cells with a residual block between them, batch norm and ReLU."""
        yield from normalised(skeleton.image_channels, skeleton.stem, 3, self.copies)
        for number, (before, after) in enumerate(skeleton.widths()):
            if number and number % skeleton.cells == 0:
                yield ResidualBlock(before, after, self.copies)
            yield self.cell(graph, after, self.copies)
        yield from (nn.BatchNorm2d(self.copies * skeleton.last), nn.ReLU())
