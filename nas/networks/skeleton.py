"""The skeleton of NAS-Bench-101 (Ying et al. 2019, section 2.1): what surrounds its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.graphs import Graphs
from nas.networks.channels import vertex_channels
from nas.networks.kernels import CELL_KERNELS, kernel_areas
from nas.networks.sizes import Sizes
from nas.options import validated

if TYPE_CHECKING:
    import torch

    from nas.networks.classifier import Classifier
    from nas.networks.supernet import Supernet


@validated
@dataclass(frozen=True)
class Skeleton(Sizes):
    """What surrounds the cells: a 3x3 convolution, stacks of cells, global average pooling, a dense layer.

    Between two stacks the image is halved (2x2 max-pool) and the number of channels doubled. NAS-Bench-101 has a stem
    of 128, 3 stacks and 3 cells; the defaults are small enough to train candidates on one core. Networks of another
    kind are a subclass, which gives `network`, `supernet` and `parameters`; `skeleton_of` tells which space has it. See
    `Sizes` for the arguments.
    """

    def network(self, graph: Graphs, generators: Sequence[torch.Generator]) -> Classifier:
        """Build the network of one graph, a copy for each generator, side by side.

        Raises:
            UserError: an operation cannot be trained.
        """
        from nas.networks.cell import CellNetwork

        return CellNetwork(graph, self, generators)

    def supernet(self, graphs: Graphs, generator: torch.Generator) -> Supernet:
        """Build the supernet of all graphs of a space, of which `graphs` are at least one."""
        from nas.networks.supernet import CellPaths, Supernet

        return Supernet(CellPaths(graphs, self, [generator]))

    def parameters(self, graphs: Graphs) -> NDArray[np.int64]:
        """Count the trainable parameters of each graph's network: `(n,)`.

        Raises:
            UserError: an operation cannot be trained.
        """
        area = kernel_areas(graphs, CELL_KERNELS)
        total = np.full(len(graphs), _convolution(9 * self.image_channels, self.stem))
        for before, after in self.widths():
            channels = vertex_channels(graphs, before, after)
            total += np.where(area > 0, _convolution(area * channels, channels), 0).sum(axis=1)
            total += np.where(graphs.adjacency[:, 0], _convolution(before, channels), 0).sum(axis=1)
        total += (self.last + 1) * self.classes
        return total


def _convolution(inputs: NDArray[np.int64] | int, outputs: NDArray[np.int64] | int) -> NDArray[np.int64] | int:
    return (inputs + 2) * outputs  # without bias; batch norm adds a scale and a shift a channel
