"""What surrounds a cell, the width of its every vertex, and the parameters of whole networks, for batches of graphs.

The rules are those of NAS-Bench-101 (Ying et al. 2019, section 2.1 and the published model builder).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, OUTPUT, Graphs
from nas.options import FOLLOWS, PositiveInt, validated

if TYPE_CHECKING:
    import torch

    from nas.networks.classifier import Classifier

KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1, "maxpool3x3": 0}
"""The operations a vertex may carry, each with the side of its convolution; 0: it has no weights."""


@validated
@dataclass(frozen=True)
class Skeleton:
    """What surrounds the cells: a 3x3 convolution, stacks of cells, global average pooling, a dense layer.

    Between two stacks the image is halved (2x2 max-pool) and the number of channels doubled. NAS-Bench-101 has 128, 3
    and 3; the defaults are small enough to train candidates on one core. A space whose networks are others says so by a
    subclass, which gives `network` and `parameters`.

    Args:
        stem: channels of the first convolution and the first stack, at least 1.
        stacks: number of stacks, at least 1.
        cells: cells in a stack, at least 1.
        classes: at least 2.
        image_channels: channels of an image, at least 1.

    Raises:
        OptionError: a number is out of its range.
    """

    stem: PositiveInt = 8
    stacks: PositiveInt = 2
    cells: PositiveInt = 1
    classes: Annotated[int, Ge(2), FOLLOWS] = 10
    image_channels: Annotated[int, Ge(1), FOLLOWS] = 3

    def widths(self) -> Iterator[tuple[int, int]]:
        """Channels that enter and leave each cell, in order."""
        before = self.stem
        for stack in range(self.stacks):
            for _ in range(self.cells):
                after = self.stem << stack
                yield before, after
                before = after

    @property
    def last(self) -> int:
        """Channels after the last cell."""
        return self.stem << (self.stacks - 1)

    def network(self, graph: Graphs, generators: Sequence[torch.Generator]) -> Classifier:
        """Build the network of one graph, a copy for each generator, side by side.

        Raises:
            UserError: an operation cannot be trained.
        """
        from nas.networks.cell import CellNetwork

        return CellNetwork(graph, self, generators)

    def parameters(self, graphs: Graphs) -> NDArray[np.int64]:
        """Count the trainable parameters of each graph's network: `(n,)`.

        Raises:
            UserError: an operation cannot be trained.
        """
        area = kernel_areas(graphs, KERNELS)
        total = np.full(len(graphs), _convolution(9 * self.image_channels, self.stem))
        for before, after in self.widths():
            channels = vertex_channels(graphs, before, after)
            total += np.where(area > 0, _convolution(area * channels, channels), 0).sum(axis=1)
            total += np.where(graphs.adjacency[:, 0], _convolution(before, channels), 0).sum(axis=1)
        total += (self.last + 1) * self.classes
        return total


def kernel_areas(graphs: Graphs, kernels: Mapping[str, int]) -> NDArray[np.int64]:
    """`(n, v)`: the weights of each vertex's convolution for one channel in and one out; 0: it has none.

    Raises:
        UserError: a graph may carry an operation that is not in `kernels`.
    """
    side = np.zeros(FIRST_OPERATION + len(graphs.operations), dtype=np.int64)
    for code, name in enumerate(graphs.operations, FIRST_OPERATION):
        if name not in kernels:
            raise UserError(f"operation {name!r} cannot be trained, allowed: {', '.join(kernels)}")
        side[code] = kernels[name]
    area: NDArray[np.int64] = side[graphs.labels] ** 2
    return area


def vertex_channels(graphs: Graphs, before: int, after: int) -> NDArray[np.int64]:
    """Divide a cell's channels among its vertices.

    The vertices that feed the output share its channels equally, the first ones get one more where that leaves a
    remainder; any other vertex is as wide as the widest it feeds. So the widths depend on the order of the vertices
    where the output's channels cannot be divided evenly.

    Args:
        graphs: `n` graphs of at most `v` vertices, every vertex on a path from input to output.
        before: channels that enter the cell.
        after: channels that leave it.

    Returns:
        `(n, v)` int64: the channels of each vertex; 0 for absent ones.
    """
    rows = np.arange(len(graphs))
    last = (graphs.labels == OUTPUT).argmax(axis=1)
    feeds = graphs.adjacency[rows, :, last]
    feeds[:, 0] = False
    share, rest = np.divmod(after, np.maximum(feeds.sum(axis=1, keepdims=True), 1))
    channels = np.where(feeds, share + (feeds.cumsum(axis=1) <= rest), 0)
    for vertex in range(feeds.shape[1] - 2, 0, -1):
        widest = np.where(graphs.adjacency[:, vertex], channels, 0).max(axis=1)
        channels[:, vertex] = np.where(feeds[:, vertex], channels[:, vertex], widest)
    channels[:, 0], channels[rows, last] = before, after
    return channels


def _convolution(inputs: NDArray[np.int64] | int, outputs: NDArray[np.int64] | int) -> NDArray[np.int64] | int:
    return (inputs + 2) * outputs  # without bias; batch norm adds a scale and a shift a channel
