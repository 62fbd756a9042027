"""Cells written out by hand."""

from __future__ import annotations

import numpy as np

from nas.graphs import INPUT, OUTPUT, Graphs
from nas.spaces.nb101 import OPERATIONS


def graph(edges: list[tuple[int, int]], *operations: int) -> Graphs:
    """One cell; `operations` of the inner vertices: 0 conv3x3, 1 conv1x1, 2 maxpool."""
    v = len(operations) + 2
    adjacency = np.zeros((1, v, v), dtype=np.bool_)
    for x, y in edges:
        adjacency[0, x, y] = True
    labels = np.array([[INPUT, *(3 + operation for operation in operations), OUTPUT]], dtype=np.uint8)
    return Graphs(adjacency, labels, OPERATIONS)
