"""Networks that share their weights: each is one path through a supernet.

The weights belong to places: where a vertex stands in the largest cell of its space (`Graphs.places`). So the same
operation at the same place of two cells has the same weights, as has the projection of a cell's input to that place;
stem, what is between the cells and the dense layer are every network's. A vertex that is narrower than the cell takes
the first of the channels, as do cells of NAS-Bench-101 among themselves.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from nas.graphs import FIRST_OPERATION, Graphs
from nas.networks import cell, residual_cell
from nas.networks.classifier import Classifier, total


class Paths(nn.Module):
    """What the cells of a supernet have in common: the layers of all places, and which of them are followed."""

    last: int
    shared: nn.ModuleDict

    @abstractmethod
    def trace(self, graph: Graphs) -> None:
        """Take over the edges of one graph."""

    def follow(self, graph: Graphs, every: bool) -> None:
        """Become the cell of one graph; with `every`, each of its vertices sums all operations there are."""
        self.trace(graph)
        largest = graph.labels.shape[1]
        places = range(largest) if graph.places is None else graph.places[0].tolist()
        self.places = [*places[: self.last], largest - 1]
        own = [(graph.operations[label - FIRST_OPERATION],) for label in graph.labels[0, 1 : self.last]]
        self.names = [graph.operations if every else name for name in own]

    def layers_at(self, vertex: int) -> list[nn.Module]:
        """The operations of a vertex that are followed."""
        return [self.shared[f"{name} {self.places[vertex]}"] for name in self.names[vertex - 1]]


class SharedCell(cell.Cell, Paths):
    """A cell of NAS-Bench-101 whose layers are as wide as its output, and cut to the channels that a graph has."""

    def build(self, graph: Graphs) -> None:
        """Make the layers of all places."""
        self.shared = nn.ModuleDict()
        for place in range(1, graph.labels.shape[1]):
            self.shared[f"input {place}"] = cell.convolution(self.before, self.after, 1, 1)
            for name in graph.operations:
                self.shared[f"{name} {place}"] = cell.operation(name, self.after, 1)

    def project(self, vertex: int, images: Tensor) -> Tensor:
        """What comes to a vertex from the cell's input."""
        return _cut(self.shared[f"input {self.places[vertex]}"], images, self.channels[vertex])

    def operate(self, vertex: int, arriving: Tensor) -> Tensor:
        """What a vertex makes of what comes to it."""
        return total([_cut(layer, arriving, self.channels[vertex]) for layer in self.layers_at(vertex)])


class SharedSumCell(residual_cell.SumCell, Paths):
    """A cell of NAS-Bench-201 with all operations at every place."""

    def build(self, graph: Graphs) -> None:
        """Make the layers of all places."""
        self.shared = nn.ModuleDict()
        for place in range(1, graph.labels.shape[1] - 1):
            for name in graph.operations:
                self.shared[f"{name} {place}"] = residual_cell.operation(name, self.width, 1)

    def operate(self, vertex: int, arriving: Tensor) -> Tensor:
        """What a vertex makes of what comes to it."""
        return total([layer(arriving) for layer in self.layers_at(vertex)])


def _cut(block: nn.Module, images: Tensor, width: int) -> Tensor:
    """Apply a block with as many of its inputs as come, and the first `width` of its outputs."""
    for layer in block if isinstance(block, nn.Sequential) else [block]:
        if isinstance(layer, nn.Conv2d):
            images = conv2d(images, layer.weight[:width, : images.shape[1]], padding=layer.padding)
        elif isinstance(layer, nn.BatchNorm2d):
            images = batch_norm(images, None, None, layer.weight[:width], layer.bias[:width], training=True)
        else:
            images = layer(images)
    return images


class CellPaths(cell.CellNetwork):
    """The skeleton of NAS-Bench-101 around cells that share their weights."""

    cell = SharedCell


class SumCellPaths(residual_cell.ResidualNetwork):
    """That of NAS-Bench-201."""

    cell = SharedSumCell


class Supernet(nn.Module):
    """All networks of a space at once; batch norm takes the statistics of the images at hand, always.

    Args:
        network: whose cells are `Paths`.
    """

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network
        self.cells = [module for module in network.modules() if isinstance(module, Paths)]
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = module.running_var = module.num_batches_tracked = None

    def forward(self, images: Tensor, graph: Graphs, every: bool = False) -> Tensor:
        """Map images `(batch, image_channels, height, width)` to the scores `(batch, classes)` of one graph's network.

        With `every` each vertex of the graph sums all operations there are.
        """
        for one in self.cells:
            one.follow(graph, every)
        scores: Tensor = self.network(images).squeeze(1)
        return scores
