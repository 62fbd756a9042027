"""The NAS-Bench-201 cell space (Dong and Yang 2020), the topology space of NATS-Bench."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.spaces.base import Gene, GeneSpace
from nas.spaces.nb201_forms import EDGES, NONE, normal_forms
from nas.types import Architectures

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_ORDER_SEED = 88  # of Python's generator, with which the authors shuffled all cells into the official order


class NB201(GeneSpace):
    """Cells of four nodes, each the sum of what comes from all nodes before it, over one of five operations each.

    Genes: the operation on the edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3; node 0 is the input, node 3 the output. Every
    one of the 15,625 vectors is a cell; 5,044 networks are distinct.

    Two cells are the same network where they compute the same function of the same weights, after what carries
    nothing to the output is left out; see `nas.spaces.nb201_forms`. A node that nothing comes to is zero, and so is
    what an operation makes of it: to be exact, a convolution's batch norm could still add a constant there.

    Canonical form: of the cells that are the same network, one with the fewest edges (`none` is no edge); of those, the
    one with the smallest key.
    """

    def __init__(self) -> None:
        super().__init__(tuple(Gene(f"{source}->{target}", OPERATIONS) for source, target in EDGES))

    def __repr__(self) -> str:
        """Say all that defines the space."""
        return "NB201()"

    @cached_property
    def _vectors(self) -> Architectures:
        """Every vector of genes, in ascending order of its code."""
        return self._unpack(np.arange(self._size, dtype=np.uint64))

    @cached_property
    def _representatives(self) -> NDArray[np.intp]:
        """For every code, that of the canonical form."""
        order = np.argsort((self._vectors != NONE).sum(axis=1), kind="stable")
        _, first, forms = np.unique(normal_forms(self._vectors[order]), return_index=True, return_inverse=True)
        representatives = np.empty(len(order), dtype=np.intp)
        representatives[order] = order[first[forms]]
        return representatives

    def canonical(self, archs: Architectures) -> Architectures:
        """Map cells to their canonical form: `(n, genes)` uint8."""
        return self._vectors[self._representatives[self._pack(archs)]]

    def graphs_of(self, canonical: Architectures) -> Graphs:
        """Return the graphs of canonical cells, with operations as vertices: an edge is a place, `none` no vertex."""
        n, output = len(canonical), 1 + len(EDGES)
        labels = np.zeros((n, output + 1), dtype=np.uint8)
        labels[:, 1:output] = np.where(canonical == NONE, ABSENT, FIRST_OPERATION + canonical - 1)
        labels[:, 0], labels[:, output] = INPUT, OUTPUT
        there = labels != ABSENT
        adjacency = np.zeros((n, output + 1, output + 1), dtype=np.bool_)
        ends = [(0, 0), *EDGES, (3, 3)]  # the nodes that each vertex lies between
        for x, (_, middle) in enumerate(ends[:-1]):
            for y, (start, _) in enumerate(ends[1:], 1):
                if start == middle:
                    adjacency[:, x, y] = there[:, x] & there[:, y]
        places = np.tile(np.arange(output + 1, dtype=np.uint8), (n, 1))
        return Graphs(adjacency, labels, OPERATIONS[1:], 3, ("skip_connect",), places).compact()

    @cached_property
    def _official(self) -> NDArray[np.intp]:
        """The code of each official index."""
        codes = list(range(self._size))
        Random(_ORDER_SEED).shuffle(codes)
        return np.array(codes)

    def from_indices(self, indices: NDArray[np.integer[Any]]) -> Architectures:
        """Return the cells with these official indices, 0..15,624: `(n, genes)`, not canonical.

        Raises:
            UserError: an index is out of range.
        """
        for index in indices[(indices < 0) | (indices >= self._size)][:1]:
            raise UserError(f"index {index} is no cell of NAS-Bench-201, must be 0..{self._size - 1}")
        archs: Architectures = self._vectors[self._official[indices]]
        return archs

    def indices(self, archs: Architectures) -> NDArray[np.intp]:
        """Return the official index of each vector of genes: `(n,)`, the inverse of `from_indices`."""
        return np.argsort(self._official)[self._pack(archs)]

    def from_strings(self, strings: Sequence[str]) -> Architectures:
        """Return the cells with these official strings, such as `|nor_conv_3x3~0|+|none~0|...|`: `(n, genes)`.

        Raises:
            UserError: a string is not of a cell of this space.
        """
        codes = {string: code for code, string in enumerate(self.strings(self._vectors))}
        for string in strings:
            if string not in codes:
                raise UserError(f"{string!r} is no cell of NAS-Bench-201, expected one such as {next(iter(codes))!r}")
        return self._vectors[[codes[string] for string in strings]]

    def strings(self, archs: Architectures) -> list[str]:
        """Return the official string of each vector of genes, the inverse of `from_strings`."""
        pattern = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
        return [pattern.format(*(OPERATIONS[gene] for gene in genes)) for genes in archs.tolist()]
