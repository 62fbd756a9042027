"""The NAS-Bench-101 cell space (Ying et al. 2019)."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.options import validated
from nas.spaces.base import Gene, GeneSpace, in_batches
from nas.types import Architectures

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
_NO_VERTEX = len(OPERATIONS)  # the operation code of a vertex that is not on any path from input to output
_REFUSED = np.uint32(1 << 31)  # above every code: the relabelling breaks the topological order
_RELABELLED = 1 << 8  # cells at once, so that their codes under all relabellings stay in the cache

Bits = NDArray[np.uint32]


@validated
class NB101(GeneSpace):
    """Cells of at most 7 vertices and 9 edges, each inner vertex with one of three operations.

    Genes: one per edge, `x->y` for x < y, ordered by y then x (the order of the published files), then one per inner
    vertex for its operation. Vertex 0 is the input, the last is the output. Vertices that are on no path from input to
    output are no part of the network; the limit on edges counts what is left without them.

    Canonical form: such vertices have no edges, operation 0, and stand last; of all topological orders of the others,
    the one whose code is the smallest. It is exact, not a hash: isomorphic cells, and only they, share it.

    Args:
        max_vertices: input and output included, 3..7.
        max_edges: after pruning, 1..21.

    Raises:
        OptionError: a limit is out of its range.
    """

    def __init__(
        self, max_vertices: Annotated[int, Ge(3), Le(7)] = 7, max_edges: Annotated[int, Ge(1), Le(21)] = 9
    ) -> None:
        self.max_vertices = max_vertices
        self.max_edges = max_edges
        self._inner = max_vertices - 2
        self._edges = max_vertices * (max_vertices - 1) // 2
        ends = [(x, y) for y in range(max_vertices) for x in range(y)]
        super().__init__(
            tuple(Gene(f"{x}->{y}", ("none", "edge")) for x, y in ends)
            + tuple(Gene(f"op{vertex}", OPERATIONS) for vertex in range(1, max_vertices - 1))
        )

    def __repr__(self) -> str:
        """Say all that defines the space."""
        return f"NB101(max_vertices={self.max_vertices}, max_edges={self.max_edges})"

    @property
    def requirement(self) -> str:
        """What makes a vector of genes a cell."""
        return f"the input must reach the output, over at most {self.max_edges} edges after pruning"

    def _edge_bits(self, archs: Architectures) -> Bits:
        """`(n,)`: edge gene i as bit i."""
        packed = np.zeros((len(archs), 4), dtype=np.uint8)
        packed[:, : (self._edges + 7) // 8] = np.packbits(archs[:, : self._edges], axis=1, bitorder="little")
        return packed.view("<u4")[:, 0].astype(np.uint32)

    def _prune(self, bits: Bits) -> tuple[Bits, Bits]:
        """Drop the edges that are on no path from input to output; also the vertices that are, as a mask each."""
        last = self.max_vertices - 1
        sources = [bits >> np.uint32(y * (y - 1) // 2) & np.uint32((1 << y) - 1) for y in range(last + 1)]
        forward = np.ones_like(bits)
        for y in range(1, last + 1):
            forward |= ((sources[y] & forward) != 0).astype(np.uint32) << np.uint32(y)
        live = np.full_like(bits, 1 << last)
        for y in range(last, 0, -1):
            live |= np.where(live >> np.uint32(y) & np.uint32(1), sources[y], np.uint32(0))
        live &= forward
        pruned = np.zeros_like(bits)
        for y in range(1, last + 1):
            kept = np.where(live >> np.uint32(y) & np.uint32(1), sources[y] & live, np.uint32(0))
            pruned |= kept << np.uint32(y * (y - 1) // 2)
        return pruned, live

    def _valid(self, archs: Architectures) -> NDArray[np.bool_]:
        pruned, _ = self._prune(self._edge_bits(archs))
        valid: NDArray[np.bool_] = (pruned != 0) & (np.bitwise_count(pruned) <= self.max_edges)
        return valid

    @cached_property
    def _relabellings(self) -> tuple[Bits, Bits, Bits]:
        """For every permutation of the inner vertices (columns), what each of three parts of a cell's code becomes.

        The parts are the edges among inner vertices, the edges from the input and to the output, and the operations.
        """
        m = self._inner
        pairs = [(x, y) for y in range(m) for x in range(y)]
        inner = np.arange(1 << len(pairs))
        ends = np.arange(1 << 2 * m)
        operations = np.arange(4**m)
        digits = operations[:, None] >> 2 * np.arange(m) & 3
        tables = []
        for order in permutations(range(m)):  # order[old] = new
            moved_inner = np.zeros(len(inner), dtype=np.uint32)
            for i, (x, y) in enumerate(pairs):
                new_x, new_y = order[x], order[y]
                there = (inner >> i & 1).astype(np.uint32)
                if new_x < new_y:
                    moved_inner |= there << np.uint32(4 * m + pairs.index((new_x, new_y)))
                else:
                    moved_inner |= there * _REFUSED
            moved_ends = np.zeros(len(ends), dtype=np.uint32)
            moved_operations = np.zeros(len(operations), dtype=np.uint32)
            moved_digits = np.zeros_like(digits)
            for old, new in enumerate(order):
                moved_ends |= ((ends >> old & 1) << new | (ends >> m + old & 1) << m + new).astype(np.uint32)
                moved_operations |= (digits[:, old] << 2 * new).astype(np.uint32)
                moved_digits[:, new] = digits[:, old]
            gone = moved_digits == _NO_VERTEX
            moved_operations[(gone[:, :-1] & ~gone[:, 1:]).any(axis=1)] |= _REFUSED
            tables.append((moved_inner, moved_ends << np.uint32(2 * m), moved_operations))
        first, second, third = zip(*tables, strict=True)
        return np.stack(first, axis=1), np.stack(second, axis=1), np.stack(third, axis=1)

    def _code(self, archs: Architectures) -> tuple[Bits, NDArray[np.bool_]]:
        """The smallest code over all relabellings, and whether the input feeds the output directly."""
        m, last = self._inner, self.max_vertices - 1
        bits, live = self._prune(self._edge_bits(archs))
        inner = np.zeros_like(bits)
        ends = np.zeros_like(bits)
        operations = np.zeros_like(bits)
        place = 0
        for y in range(1, last):
            into = bits >> np.uint32(y * (y - 1) // 2)
            inner |= (into >> np.uint32(1) & np.uint32((1 << y - 1) - 1)) << np.uint32(place)
            place += y - 1
            ends |= (into & np.uint32(1)) << np.uint32(y - 1)
            gene = archs[:, self._edges + y - 1]
            there = live >> np.uint32(y) & np.uint32(1)
            operations |= np.where(there, gene, _NO_VERTEX).astype(np.uint32) << np.uint32(2 * (y - 1))
        into_output = bits >> np.uint32(last * (last - 1) // 2)
        ends |= (into_output >> np.uint32(1)) << np.uint32(m)
        inner_codes, ends_codes, operations_codes = self._relabellings
        smallest = np.empty_like(bits)
        for start in range(0, len(bits), _RELABELLED):
            rows = slice(start, start + _RELABELLED)
            codes = inner_codes.take(inner[rows], axis=0)
            codes |= ends_codes.take(ends[rows], axis=0)
            codes |= operations_codes.take(operations[rows], axis=0)
            smallest[rows] = codes.min(axis=1)
        return smallest, (into_output & np.uint32(1)).astype(np.bool_)

    def canonical(self, archs: Architectures) -> Architectures:
        """Map valid cells to their canonical form: `(n, genes)` uint8."""
        return np.concatenate([self._canonical(batch) for batch in in_batches(archs)])

    def _canonical(self, archs: Architectures) -> Architectures:
        m, last = self._inner, self.max_vertices - 1
        code, direct = self._code(archs)
        genes = np.zeros_like(archs)
        place = 4 * m
        for y in range(1, last):
            first = y * (y - 1) // 2
            genes[:, first] = code >> np.uint32(2 * m + y - 1) & np.uint32(1)
            for x in range(1, y):
                genes[:, first + x] = code >> np.uint32(place) & np.uint32(1)
                place += 1
            operation = (code >> np.uint32(2 * (y - 1)) & np.uint32(3)).astype(np.uint8)
            genes[:, self._edges + y - 1] = operation % _NO_VERTEX
            genes[:, last * (last - 1) // 2 + y] = code >> np.uint32(3 * m + y - 1) & np.uint32(1)
        genes[:, last * (last - 1) // 2] = direct
        return genes

    def enumerate(self) -> Architectures:
        """Return every distinct cell once, canonical, in ascending order of keys (423,624 for the published limits)."""
        graphs = []
        for vertices in range(2, self.max_vertices + 1):
            bits = np.arange(1 << vertices * (vertices - 1) // 2, dtype=np.uint32)
            bits = bits[np.bitwise_count(bits) <= self.max_edges]
            archs = self._from_bits(np.full(len(bits), vertices), bits)
            _, live = self._prune(self._edge_bits(archs))
            unlabelled = self.unique(archs[np.bitwise_count(live) == vertices])
            inner = vertices - 2
            labels = np.arange(3**inner)[:, None] // 3 ** np.arange(inner) % 3
            cells = np.repeat(unlabelled, len(labels), axis=0)
            cells[:, self._edges : self._edges + inner] = np.tile(labels, (len(unlabelled), 1))
            graphs.append(cells)
        return self.unique(np.concatenate(graphs))

    def _from_bits(self, vertices: NDArray[Any], bits: Bits) -> Architectures:
        """Edge genes of cells whose output is vertex `vertices - 1`, the published files' way; operations 0."""
        archs = np.zeros((len(bits), len(self.genes)), dtype=np.uint8)
        last = self.max_vertices - 1
        for y in range(1, self.max_vertices):
            for x in range(y):
                edge = y * (y - 1) // 2 + x
                there = (bits >> np.uint32(edge) & np.uint32(1)).astype(np.uint8)
                is_output = vertices == y + 1
                archs[:, edge] |= np.where(is_output, 0, there).astype(np.uint8)
                archs[:, last * (last - 1) // 2 + x] |= np.where(is_output, there, 0).astype(np.uint8)
        return archs

    def graphs_of(self, canonical: Architectures) -> Graphs:
        """Return the graphs of canonical cells, output right after the last inner vertex that is there."""
        n, v, last = len(canonical), self.max_vertices, self.max_vertices - 1
        adjacency = np.zeros((n, v, v), dtype=np.bool_)
        for y in range(1, v):
            adjacency[:, :y, y] = canonical[:, y * (y - 1) // 2 : y * (y + 1) // 2]
        there = np.any(adjacency, axis=2, keepdims=True)[:, :, 0]
        labels = np.zeros((n, v), dtype=np.uint8)
        labels[:, 1:last] = np.where(there[:, 1:last], FIRST_OPERATION + canonical[:, self._edges :], ABSENT)
        labels[:, 0], labels[:, last] = INPUT, OUTPUT
        return Graphs(adjacency, labels, OPERATIONS).compact()

    def from_published(self, vertices: NDArray[Any], bits: Bits, operations: NDArray[Any]) -> Architectures:
        """Return cells as the published files describe them: `(n, genes)`, not canonical.

        Args:
            vertices: `(n,)`, 2..`max_vertices` each, input and output included.
            bits: `(n,)`: edge x->y as bit `x + y * (y - 1) / 2`.
            operations: `(n, 7)`: place in `OPERATIONS` of each inner vertex; what is there of others is not read.
        """
        archs = self._from_bits(vertices, bits)
        for vertex in range(1, self.max_vertices - 1):
            inner = vertex < vertices - 1
            archs[:, self._edges + vertex - 1] = np.where(inner, operations[:, vertex], 0)
        return archs
