"""A search space that is a list of architectures, such as the rows of a table."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.spaces.base import Gene, GeneSpace
from nas.types import Architectures, Batch

_BATCH = 64  # parents compared with all rows at once


class Rows(GeneSpace):
    """The rows of a table: they are the architectures, and only they.

    Where they are not all combinations of the genes' choices, sampling and mutation keep to those that are there. Every
    row is a network of its own. As a graph, a row is the chain of its choices.

    Args:
        genes: the columns of the table.
        rows: `(n, genes)` uint8, each gene within its choices.

    Raises:
        UserError: as for every `GeneSpace`.
    """

    def __init__(self, genes: tuple[Gene, ...], rows: Architectures) -> None:
        super().__init__(genes)
        self._rows = rows
        self._keys = np.sort(self._pack(rows))

    def __repr__(self) -> str:
        """Say all that defines the space."""
        from hashlib import sha256

        return f"Rows(genes={self.genes}, rows={sha256(self._keys.tobytes()).hexdigest()[:16]})"

    @property
    def requirement(self) -> str:
        """What makes a vector of genes an architecture of the space."""
        return "the table has no such row"

    def _valid(self, archs: Architectures) -> NDArray[np.bool_]:
        return np.isin(self._pack(archs), self._keys)

    def canonical(self, archs: Architectures) -> Architectures:
        """Return the rows as they are: each is a network of its own."""
        return archs.copy()

    def enumerate(self) -> Architectures:
        """Return every row once, in ascending order of keys."""
        return self.unique(self._rows)

    def mutate(self, parents: Batch, rng: Generator) -> Batch:
        """Return for each architecture one of the rows that differ from it in the fewest genes."""
        parts = [parents.genes[start : start + _BATCH] for start in range(0, len(parents), _BATCH)]
        rows = [self._neighbours(part, rng) for part in parts]
        return self.batch(self._all[np.concatenate([np.empty(0, dtype=np.intp), *rows])])

    def _neighbours(self, archs: Architectures, rng: Generator) -> NDArray[np.intp]:
        if len(self._all) < 2:
            raise UserError("the table has one row only: there is nothing to mutate it into")
        distance = np.zeros((len(archs), len(self._all)), dtype=np.uint8)
        for gene in range(archs.shape[1]):
            distance += archs[:, gene, None] != self._all[:, gene]
        distance[distance == 0] = np.iinfo(np.uint8).max
        nearest = distance == distance.min(axis=1, keepdims=True)
        chosen: NDArray[np.intp] = np.where(nearest, rng.random(nearest.shape), -1.0).argmax(axis=1)
        return chosen

    def graphs_of(self, canonical: Architectures) -> Graphs:
        """Return chains: input, the choice of each gene, output; operations are the numbers of the choices."""
        n, genes = canonical.shape
        labels = np.empty((n, genes + 2), dtype=np.uint8)
        labels[:, 0], labels[:, 1:-1], labels[:, -1] = INPUT, FIRST_OPERATION + canonical, OUTPUT
        adjacency = np.zeros((n, genes + 2, genes + 2), dtype=np.bool_)
        adjacency[:, np.arange(genes + 1), np.arange(1, genes + 2)] = True
        return Graphs(adjacency, labels, tuple(f"choice {number}" for number in range(max(self.cardinalities))))
