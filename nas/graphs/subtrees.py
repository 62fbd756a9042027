"""Counts of subtrees: the features behind the Weisfeiler-Lehman kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.graphs.graphs import ABSENT, Graphs

_ROUNDS = 3
_COLUMNS = 1 << 11
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def subtree_features(graphs: Graphs) -> NDArray[np.float32]:
    """Count the subtrees of depths 0 to 3 at all vertices (Shervashidze et al. 2011, section 3.1; Ru et al. 2021).

    A vertex's name is, at first, its label; in each round, a digest of its name and of the names of those that feed it
    and of those that it feeds. How often each name stands in a graph is a column; names share 2,048 columns, so that
    two may fall into one.

    Args:
        graphs: `n` graphs.

    Returns:
        `(n, 2048)`, each row of length 1.
    """
    n, v = graphs.labels.shape
    there = graphs.labels != ABSENT
    names = _mixed(graphs.labels.astype(np.uint64))
    edges = graphs.adjacency.astype(np.uint64)
    counts = np.zeros((n, _COLUMNS), dtype=np.float32)
    rows = np.broadcast_to(np.arange(n)[:, None], (n, v))[there]
    for _ in range(_ROUNDS):
        np.add.at(counts, (rows, names[there] % np.uint64(_COLUMNS)), 1)
        from_before = np.einsum("nxy,nx->ny", edges, _mixed(names + _MIX[1]))  # a sum does not know an order
        from_after = np.einsum("nxy,ny->nx", edges, _mixed(names + _MIX[2]))
        names = _mixed(names + _mixed(from_before + _MIX[0]) + _mixed(from_after + _MIX[1]) * _MIX[2])
    np.add.at(counts, (rows, names[there] % np.uint64(_COLUMNS)), 1)
    counts /= np.linalg.norm(counts, axis=1, keepdims=True)
    return counts


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A digest of each (Steele et al. 2014, splitmix64)."""
    with np.errstate(over="ignore"):
        numbers = numbers + _MIX[0]
        numbers = (numbers ^ numbers >> np.uint64(30)) * _MIX[1]
        numbers = (numbers ^ numbers >> np.uint64(27)) * _MIX[2]
    return numbers ^ numbers >> np.uint64(31)
