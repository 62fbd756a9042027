"""Cells as the published NAS-Bench-101 library describes them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.benchmarks.nb101_hash import module_hashes
from nas.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs


class ModelSpec:
    """A cell: a graph and what its vertices do. Vertices on no path from input to output are pruned.

    Args:
        matrix: `(v, v)` adjacency, upper triangular.
        ops: `v` names; the first and the last are the input and the output.
        data_format: kept, and not used.

    Attributes:
        original_matrix, original_ops: as given.
        matrix, ops: what is left after pruning; None where the input does not reach the output.
        valid_spec: whether it does.

    Raises:
        ValueError: the matrix is not square, not upper triangular, or not as large as `ops`.
    """

    def __init__(self, matrix: ArrayLike, ops: Sequence[str], data_format: str = "channels_last") -> None:
        given = np.array(matrix)
        if given.ndim != 2 or given.shape[0] != given.shape[1]:
            raise ValueError(f"matrix must be square, its shape is {given.shape}")
        if len(given) != len(ops):
            raise ValueError(f"length of ops must match matrix dimensions: {len(ops)} ops for {len(given)} vertices")
        if np.tril(given).any():
            raise ValueError("matrix must be upper triangular: an edge leads from a vertex to a later one")
        self.original_matrix, self.original_ops = given, deepcopy(ops)
        self.data_format = data_format
        self.matrix: NDArray[Any] | None = None
        self.ops: list[str] | None = None
        kept = _on_a_path(given != 0)
        self.valid_spec = len(kept) >= 2
        if self.valid_spec:
            self.matrix = given[np.ix_(kept, kept)]
            self.ops = [ops[vertex] for vertex in kept]

    def hash_spec(self, canonical_ops: Sequence[str]) -> str:
        """Return the module hash, 32 hexadecimal digits: the same for isomorphic cells.

        Args:
            canonical_ops: the names of all operations, in the order that numbers them.

        Raises:
            ValueError: the cell is not valid, or has another operation.
        """
        if self.matrix is None or self.ops is None:
            raise ValueError("an invalid spec has no hash: the input does not reach the output")
        names = list(canonical_ops)
        inner = [FIRST_OPERATION + names.index(name) for name in self.ops[1:-1]]
        labels = np.array([[INPUT, *inner, OUTPUT]], dtype=np.uint8)
        [digest] = module_hashes(Graphs(self.matrix[None] != 0, labels, tuple(names)))
        return digest


def _on_a_path(adjacency: NDArray[np.bool_]) -> list[int]:
    """The vertices on any path from the first to the last; vertices are in topological order."""
    size = len(adjacency)
    forward, backward = np.zeros((2, size), dtype=np.bool_)
    forward[:1] = backward[-1:] = True
    for vertex in range(1, size):
        forward[vertex] = (adjacency[:, vertex] & forward).any()
    for vertex in range(size - 2, -1, -1):
        backward[vertex] = (adjacency[vertex] & backward).any()
    vertices: list[int] = np.flatnonzero(forward & backward).tolist()
    return vertices
