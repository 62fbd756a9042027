"""The skeleton of NAS-Bench-201 (Dong and Yang 2020, section 2.1): residual blocks between the stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.graphs import Graphs
from nas.networks.kernels import RESIDUAL_KERNELS, kernel_areas
from nas.networks.skeleton import Skeleton
from nas.options import validated

if TYPE_CHECKING:
    import torch

    from nas.networks.residual_cell import ResidualNetwork
    from nas.networks.supernet import Supernet


@validated
@dataclass(frozen=True)
class ResidualSkeleton(Skeleton):
    """A 3x3 convolution, stacks of cells, batch norm, ReLU, global average pooling, a dense layer.

    Between two stacks a residual block of two 3x3 convolutions halves the image and doubles the channels. NAS-Bench-201
    has a stem of 16, 3 stacks and 5 cells in each.
    """

    def network(self, graph: Graphs, generators: Sequence[torch.Generator]) -> ResidualNetwork:
        """Build the network of one graph, a copy for each generator, side by side."""
        from nas.networks.residual_cell import ResidualNetwork

        return ResidualNetwork(graph, self, generators)

    def supernet(self, graphs: Graphs, generator: torch.Generator) -> Supernet:
        """Build the supernet of all graphs of a space, of which `graphs` are at least one."""
        from nas.networks.supernet import SumCellPaths, Supernet

        return Supernet(SumCellPaths(graphs, self, [generator]))

    def parameters(self, graphs: Graphs) -> NDArray[np.int64]:
        """Count the trainable parameters of each graph's network: `(n,)`."""
        area = kernel_areas(graphs, RESIDUAL_KERNELS)
        around = (9 * self.image_channels + 2) * self.stem + 2 * self.last + (self.last + 1) * self.classes
        total = np.full(len(graphs), around, dtype=np.int64)
        for stack in range(self.stacks):
            width = self.stem << stack
            total += self.cells * np.where(area > 0, (area * width + 2) * width, 0).sum(axis=1)
            if stack:  # the block before it: two convolutions with batch norm, and a projection without
                total += ((9 * width // 2 + 2) + (9 * width + 2) + width // 2) * width
        return total
