"""The width of a cell's every vertex, for batches of graphs.

The rules are those of NAS-Bench-101 (Ying et al. 2019, section 2.1 and the published model builder).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.graphs import OUTPUT, Graphs


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
