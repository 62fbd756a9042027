"""The operations that vertices may carry, and the weights of their convolutions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, Graphs

CELL_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1, "maxpool3x3": 0}
"""The operations of NAS-Bench-101, each with the side of its convolution; 0: it has no weights."""
RESIDUAL_KERNELS = {"skip_connect": 0, "nor_conv_1x1": 1, "nor_conv_3x3": 3, "avg_pool_3x3": 0}
"""Those of NAS-Bench-201."""


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
