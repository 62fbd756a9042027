"""Features of graphs in parts, each in numbers that hold what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs.graphs import Graphs

FEATURE_BATCH = 1 << 11
"""Graphs handled at once, so that the intermediate arrays stay in the processor's cache."""

_MOST_PATHS = 2.0**100  # beyond, float32 has no room left for what is made of features
_ALWAYS_SMALL = 1 << 14  # paths that any type for counts holds

Numbers: TypeAlias = type[np.number[Any]]
Columns: TypeAlias = Callable[[Graphs, Numbers], NDArray[np.float32]]
"""From `n` graphs, and the type to count in, to `(n, columns)`."""


def in_parts(graphs: Graphs, columns: Columns, numbers: Numbers, most: int) -> NDArray[np.float32]:
    """Apply `columns` to parts of the batch, in float64 to graphs that `numbers` cannot hold.

    A row never depends on the other rows. float64 is exact up to 2**53; beyond, every sum of such counts is off by at
    most 2**-53 of itself, which float32 does not resolve.

    Args:
        graphs: `n` graphs.
        columns: makes the features, rounded to float32.
        numbers: the type to count in.
        most: how many paths and edges of one graph it holds, to spare for numbers that are as large as 3 * `v`.

    Raises:
        UserError: a graph has too many paths.
    """
    parts = []
    for start in range(0, max(len(graphs), 1), FEATURE_BATCH):
        part = graphs.take(slice(start, start + FEATURE_BATCH))
        large = _paths_bound(part) + 3.0 * part.labels.shape[1] > most
        if not large.any():
            parts.append(columns(part, numbers))
            continue
        _check_paths(part.take(large))
        counted = columns(part.take(large), np.float64)
        rows = np.empty((len(part), counted.shape[1]), dtype=np.float32)
        rows[large] = counted
        if not large.all():
            rows[~large] = columns(part.take(~large), numbers)
        parts.append(rows)
    return np.concatenate(parts)


def _paths_bound(graphs: Graphs) -> NDArray[np.float64]:
    """`(n,)`: no graph has more paths from the input to any vertex, nor more than `v` edges above it.

    A path chooses one edge into each vertex that it meets: the paths are at most the product of these numbers of
    choices. The edges are at most their sum, and a sum of `v` positive whole numbers is below their product plus `v`.
    """
    n, v = graphs.labels.shape
    if graphs.adjacency.dtype == np.bool_ and (most := 1 << max(v - 2, 0)) <= _ALWAYS_SMALL:
        return np.full(n, float(most))  # whatever inner vertices are on it make a path
    with np.errstate(over="ignore"):
        bound: NDArray[np.float64] = np.maximum(graphs.adjacency.sum(axis=1, dtype=np.float64), 1).prod(axis=1)
    return bound


def _check_paths(graphs: Graphs) -> None:
    n, v = graphs.labels.shape
    edges = graphs.adjacency.astype(np.float64)
    paths = np.zeros((n, v))
    paths[:, 0] = 1
    with np.errstate(over="ignore", invalid="ignore"):  # too many, then
        for vertex in range(1, v):
            paths[:, vertex] = np.einsum("nx,nx->n", edges[:, :vertex, vertex], paths[:, :vertex])
    if not paths.max() <= _MOST_PATHS:
        raise UserError(
            f"a graph of {v} vertices has more than {_MOST_PATHS:.0e} paths, features hold no more: "
            f"choose an estimator on plain genes, such as estimator=knn_onehot"
        )
