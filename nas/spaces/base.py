"""The base of every search space whose architectures are vectors of genes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import Graphs
from nas.types import Architectures, Batch, Keys

_BATCH = 1 << 12  # rows handled at once, so that the intermediate arrays stay in the processor's cache


@dataclass(frozen=True)
class Gene:
    """One position of an architecture: `name`, and the names of the values 0, 1, ... it may take."""

    name: str
    choices: tuple[str, ...]


class GeneSpace(ABC):
    """Architectures as integer vectors over named genes; a batch is one `(n, genes)` uint8 array.

    A subclass gives `genes`, `canonical` and `graphs_of`, and `_valid` where not every vector is an architecture. It
    holds no data: sampling and enumeration follow from the definition of the space.

    Args:
        genes: the genes, in order, of 1..256 choices each; the numbers of choices must multiply to less than 2**64.
        attempts: how often `mutate` tries anew for a child before it gives up.

    Raises:
        UserError: a gene has too many choices, or all genes have together.
    """

    def __init__(self, genes: tuple[Gene, ...], *, attempts: int = 1000) -> None:
        for gene in genes:
            if not 1 <= len(gene.choices) <= 256:
                raise UserError(f"gene {gene.name!r} has {len(gene.choices)} choices, must have 1..256")
        self.genes = genes
        self.cardinalities = np.array([len(gene.choices) for gene in genes], dtype=np.int64)
        self._attempts = attempts
        radix = [1]
        for gene in reversed(genes[1:]):
            radix.append(radix[-1] * len(gene.choices))
        self._size = radix[-1] * len(genes[0].choices)
        if self._size >= 1 << 64:
            raise UserError("the genes' numbers of choices multiply to 2**64 or more: keys would not be distinct")
        self._radix = np.array(radix[::-1], dtype=np.uint64)

    def __repr__(self) -> str:
        """Say all that defines the space: what is kept for a space is kept under this."""
        return f"{type(self).__name__}(genes={self.genes})"

    @abstractmethod
    def canonical(self, archs: Architectures) -> Architectures:
        """Map valid architectures to the one representative of all that are the same network."""

    @abstractmethod
    def graphs_of(self, canonical: Architectures) -> Graphs:
        """Return the computation graphs of architectures that are in canonical form already."""

    def _valid(self, archs: Architectures) -> NDArray[np.bool_]:
        """Tell which rows, all of whose genes are in range, are architectures of the space."""
        return np.ones(len(archs), dtype=np.bool_)

    def enumerate(self) -> Architectures:
        """Return every distinct architecture once, canonical, in ascending order of keys.

        Raises:
            UserError: the space is too large to be enumerated.
        """
        if self._size > 1 << 24:
            raise UserError(f"{type(self).__name__} has {self._size:,} architectures: too many to enumerate")
        archs = self._unpack(np.arange(self._size, dtype=np.uint64))
        return self.unique(archs[self.valid(archs)])

    @cached_property
    def _all(self) -> Architectures:
        return self.enumerate()

    @property
    def size(self) -> int:
        """How many distinct networks there are. Raises UserError where the space is too large to be enumerated."""
        return len(self._all)

    def valid(self, archs: Architectures) -> NDArray[np.bool_]:
        """Tell which rows of a `(n, genes)` array are architectures of the space: `(n,)` bool."""
        result: NDArray[np.bool_] = np.all(archs < self.cardinalities, axis=1)
        result[result] = self._valid(archs[result])
        return result

    def check(self, archs: Any) -> Architectures:
        """Return `archs` as it is if it is a batch of architectures of the space.

        Raises:
            UserError: the array's shape, its type, a gene, or an architecture is out of the space.
        """
        width = len(self.genes)
        if not isinstance(archs, np.ndarray) or archs.ndim != 2 or archs.shape[1] != width or archs.dtype != np.uint8:
            found = f"{archs.dtype} of shape {archs.shape}" if isinstance(archs, np.ndarray) else type(archs).__name__
            raise UserError(f"architectures must be a uint8 array of shape (n, {width}), got {found}")
        for row, column in np.argwhere(archs >= self.cardinalities)[:1]:
            gene, value = self.genes[column], archs[row, column]
            allowed = f"0..{len(gene.choices) - 1} ({', '.join(gene.choices)})"
            raise UserError(f"architecture {row}: gene {gene.name!r} is {value}, must be {allowed}")
        for row in np.flatnonzero(~self._valid(archs))[:1]:
            raise UserError(f"architecture {row} ({archs[row].tolist()}) is out of the space: {self.requirement}")
        return archs

    @property
    def requirement(self) -> str:
        """What makes a vector of genes an architecture of the space, in words."""
        return "every gene within its choices"

    def keys(self, archs: Architectures) -> Keys:
        """Return `(n,)` uint64, equal for architectures that are the same network and different otherwise."""
        return self._pack(self.canonical(archs))

    def batch(self, archs: Architectures) -> Batch:
        """Bring valid architectures `(n, genes)` to canonical form, once for all that is done with them."""
        canonical = self.canonical(archs)
        return Batch(archs, canonical, self._pack(canonical), self)

    def graphs(self, archs: Architectures) -> Graphs:
        """Return the computation graphs of valid architectures, in canonical form."""
        return self.graphs_of(self.canonical(archs))

    def _pack(self, canonical: Architectures) -> Keys:
        packed = np.zeros(len(canonical), dtype=np.uint64)
        for weight, column in zip(self._radix, canonical.T, strict=True):
            packed += weight * column
        return packed

    def _unpack(self, codes: Keys) -> Architectures:
        """Return the vectors of genes of which `_pack` makes `codes`."""
        return (codes[:, None] // self._radix % self.cardinalities.astype(np.uint64)).astype(np.uint8)

    def unique(self, archs: Architectures) -> Architectures:
        """Return the distinct networks among valid `archs`, canonical, in ascending order of keys."""
        canonical = self.canonical(archs)
        return canonical[np.unique(self._pack(canonical), return_index=True)[1]]

    def sample(self, n: int, rng: Generator) -> Architectures:
        """Draw `n` canonical architectures, independent and uniform over the distinct networks of the space."""
        return self._all[rng.integers(len(self._all), size=n)]

    def perturb(self, archs: Architectures, rng: Generator) -> Architectures:
        """`(n, genes)`: one random gene of each architecture changed to another value; need not be valid."""
        changed = archs.copy()
        rows, genes = np.arange(len(archs)), rng.integers(len(self.genes), size=len(archs))
        choices = self.cardinalities[genes]
        shift = 1 + rng.integers(np.maximum(choices - 1, 1))
        changed[rows, genes] = (changed[rows, genes] + shift) % choices
        return changed

    def neighbours(self, batch: Batch) -> tuple[Batch, NDArray[np.intp]]:
        """Every network one mutation away: one gene changed, or two where the first leaves the network as it is.

        Returns:
            `m` canonical architectures, and `(m,)` the row of `batch` that each is a neighbour of; those of one row are
            distinct, other networks than it, and in ascending order of keys.
        """
        changed, parents = self._one_gene_changed(batch.genes)
        children = self.batch(changed)
        silent = children.keys == batch.keys[parents]
        further, rows = self._one_gene_changed(children.genes[silent])
        children = Batch.join([children.take(~silent), self.batch(further)])
        parents = np.concatenate([parents[~silent], parents[silent][rows]])
        order = np.lexsort((children.keys, parents))
        ordered = np.stack([parents.astype(np.uint64), children.keys])[:, order]
        first = np.any(np.diff(ordered, axis=1, prepend=np.uint64(0)) != 0, axis=0)
        first[:1] = True
        kept = order[first & (ordered[1] != batch.keys[parents[order]])]
        found = children.take(kept)
        return Batch(found.canonical, found.canonical, found.keys, self), parents[kept]

    def _one_gene_changed(self, archs: Architectures) -> tuple[Architectures, NDArray[np.intp]]:
        """All valid ones `(m, genes)`, and the row `(m,)` that each comes from."""
        genes = np.repeat(np.arange(len(self.genes)), self.cardinalities - 1)
        shifts = np.concatenate([np.arange(1, choices) for choices in self.cardinalities])
        children = np.repeat(archs, len(genes), axis=0)
        rows, columns = np.arange(len(children)), np.tile(genes, len(archs))
        children[rows, columns] = (children[rows, columns] + np.tile(shifts, len(archs))) % self.cardinalities[columns]
        kept = self._valid(children)
        return children[kept], rows[kept] // max(len(genes), 1)

    def mutate(self, parents: Batch, rng: Generator) -> Batch:
        """Change one gene of each architecture to another value, so that the network changes.

        A change that leaves the network as it is (an edge to a vertex that leads nowhere) is kept and followed by
        another; one that leads out of the space is drawn anew.

        Returns:
            `n` valid architectures, each a different network from its parent's; their genes are not canonical.

        Raises:
            UserError: some architecture has no valid neighbour that could be found.
        """
        genes, canonical, keys = parents.genes.copy(), parents.canonical.copy(), parents.keys.copy()
        open_rows = np.arange(len(parents))
        for _ in range(self._attempts):
            if not len(open_rows):
                return Batch(genes, canonical, keys, self)
            changed = self.perturb(genes[open_rows], rng)
            rows = open_rows[kept := self._valid(changed)]
            trial = self.batch(changed[kept])
            genes[rows], canonical[rows], keys[rows] = trial.genes, trial.canonical, trial.keys
            open_rows = open_rows[keys[open_rows] == parents.keys[open_rows]]
        found = parents.genes[open_rows[0]].tolist()
        raise UserError(f"no valid mutation of {found} found in {self._attempts} attempts")

    def one_hot(self, archs: Architectures) -> NDArray[np.float32]:
        """Encode the canonical genes: one column for a gene of two choices, else one per choice."""
        return self.one_hot_of(self.canonical(archs))

    def one_hot_of(self, canonical: Architectures) -> NDArray[np.float32]:
        """Encode architectures that are in canonical form already; see `one_hot`."""
        columns = []
        for column, choices in zip(canonical.T, self.cardinalities, strict=True):
            values = np.arange(1, 2) if choices == 2 else np.arange(choices)
            columns.append(column[:, None] == values)
        return np.concatenate(columns, axis=1, dtype=np.float32)


def in_batches(archs: Architectures) -> list[Architectures]:
    """Split rows so that per-batch intermediates stay in the processor's cache; at least one batch."""
    return np.array_split(archs, max(1, -(-len(archs) // _BATCH)))
