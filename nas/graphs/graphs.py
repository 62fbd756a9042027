"""Batches of labelled directed acyclic graphs, and the encodings that follow from a graph alone.

A search space that can give its graphs (`Space.graphs`) gets every encoding in this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

_MOST_COLUMNS = 1 << 16
_MOST_EDGES = 1 << 53  # beyond, float64 leaves out whole numbers

ABSENT, INPUT, OUTPUT, FIRST_OPERATION = 0, 1, 2, 3


@dataclass(frozen=True)
class Graphs:
    """`n` graphs of at most `v` vertices each, vertices in topological order, absent ones last.

    Attributes:
        adjacency: `(n, v, v)` bool; `adjacency[i, x, y]` is the edge x -> y, and x < y. Unsigned integers where edges
            may be several; see `contracted`.
        labels: `(n, v)` uint8; `ABSENT`, `INPUT`, `OUTPUT`, or `FIRST_OPERATION` + the index in `operations`. Of a
            wider type where there are more than 253 operations.
        operations: the names of the operations a vertex may carry.
        longest: how many operations there can be on a path, in any graph of the space; None: v - 2.
        identities: those of the operations that give what they get.
        places: `(n, v)` integers: for each vertex the one of the space's largest cell that it stands for; None: its own
            number. Networks that share weights share those of a place.

    Raises:
        UserError: the type of `labels` cannot tell so many operations apart.
    """

    adjacency: NDArray[Any]
    labels: NDArray[Any]
    operations: tuple[str, ...]
    longest: int | None = None
    identities: tuple[str, ...] = ()
    places: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        held = int(np.iinfo(self.labels.dtype).max) - FIRST_OPERATION + 1
        if len(self.operations) > held:
            raise UserError(
                f"there are {len(self.operations)} operations, labels of type {self.labels.dtype} tell {held} apart: "
                f"give the labels of graphs as uint16"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: slice | NDArray[Any]) -> Graphs:
        """Return some of the graphs: a slice of them, or those at indices or under a mask."""
        places = None if self.places is None else self.places[rows]
        return replace(self, adjacency=self.adjacency[rows], labels=self.labels[rows], places=places)

    def compact(self) -> Graphs:
        """Move the absent vertices to the end; the others stay in their order."""
        order = np.argsort(self.labels == ABSENT, axis=1, kind="stable")
        adjacency = np.take_along_axis(self.adjacency, order[:, :, None], axis=1)
        adjacency = np.take_along_axis(adjacency, order[:, None, :], axis=2)
        places = None if self.places is None else np.take_along_axis(self.places, order, axis=1)
        labels = np.take_along_axis(self.labels, order, axis=1)
        return replace(self, adjacency=adjacency, labels=labels, places=places)

    def contracted(self) -> Graphs:
        """Leave out identities: what fed one feeds what it fed, over as many edges as there were ways.

        Raises:
            UserError: there are more ways than can be counted.
        """
        if not self.identities:
            return self
        new_label = np.arange(FIRST_OPERATION + len(self.operations)).astype(self.labels.dtype)
        new_label[FIRST_OPERATION:] = ABSENT
        kept = tuple(name for name in self.operations if name not in self.identities)
        for code, name in enumerate(kept, FIRST_OPERATION):
            new_label[FIRST_OPERATION + self.operations.index(name)] = code
        labels = new_label[self.labels]
        identity = (labels == ABSENT) & (self.labels != ABSENT)
        adjacency: NDArray[Any] = self.adjacency.astype(self._type_of_ways(identity))
        with np.errstate(over="ignore", invalid="ignore"):  # too many, then
            for vertex in range(1, labels.shape[1]):
                rows = np.flatnonzero(identity[:, vertex])
                adjacency[rows] += adjacency[rows, :, vertex, None] * adjacency[rows, vertex, None, :]
                adjacency[rows, vertex], adjacency[rows, :, vertex] = 0, 0
        most = adjacency.max(initial=0)
        if not most <= _MOST_EDGES:
            raise UserError(
                f"without its identities a graph has more than {_MOST_EDGES:,} edges from one vertex to another, "
                f"features hold no more: choose an estimator on plain genes, such as estimator=knn_onehot"
            )
        adjacency = adjacency.astype(np.min_scalar_type(int(most)), copy=False)
        return Graphs(adjacency, labels, kept, self.longest).compact()

    def _type_of_ways(self, identity: NDArray[np.bool_]) -> type[np.uint8] | type[np.float64]:
        """What holds the number of ways between two vertices: each goes over some of the identities, in their order."""
        edges, most = int(self.adjacency.max(initial=0)), int(identity.sum(axis=1).max(initial=0))
        return np.uint8 if edges * (1 + edges) ** most < 1 << 8 else np.float64

    @property
    def vocabulary(self) -> int:
        """Number of distinct tokens that `tokens` may return."""
        return OUTPUT + 2 + len(self.operations)

    def tokens(self) -> NDArray[Any]:
        """Encode each graph as the token sequence of NAO (Luo et al. 2018) and SemiNAS.

        For every vertex but the first: one token for each earlier vertex (1 no edge, 2 an edge or several), then one
        for the label (3 output, 4 and up the operations). Absent vertices are 0 throughout.

        Returns:
            `(n, (v + 2) * (v - 1) / 2)` uint8, each below `vocabulary`; int32 where that is above 256.
        """
        kind = np.uint8 if self.vocabulary <= 1 << 8 else np.int32
        columns = []
        for vertex in range(1, self.labels.shape[1]):
            label = self.labels[:, vertex, None].astype(kind)
            edges = 1 + self.adjacency[:, :vertex, vertex].astype(np.bool_).astype(kind)
            columns += [edges * (label != ABSENT), label + (label != ABSENT)]
        return np.concatenate(columns, axis=1, dtype=kind)

    def paths(self) -> NDArray[np.bool_]:
        """Path encoding (White et al. 2021, BANANAS): which operation sequences lead from input to output.

        Column 0 is the direct edge; the sequence that extends column c by operation o is column
        `c * len(operations) + 1 + o`.

        Returns:
            `(n, sum_i len(operations) ** i)` bool, i from 0 to `longest`.

        Raises:
            UserError: there are too many sequences.
        """
        n, v = self.labels.shape
        base, longest = len(self.operations), v - 2 if self.longest is None else self.longest
        if base**longest > _MOST_COLUMNS:
            raise UserError(
                f"there are {base}**{longest} paths of {longest} vertices over {base} operations, the path encoding "
                f"holds at most {_MOST_COLUMNS:,}: choose an estimator on plain genes, such as estimator=knn_onehot"
            )
        extendable = sum(base**i for i in range(longest))  # sequences that have room for one more operation
        edges = self.adjacency.astype(np.bool_)
        reached = np.zeros((v, n, extendable + base**longest), dtype=np.bool_)
        reached[0, :, 0] = True
        for vertex in range(1, v):
            arriving = np.zeros_like(reached[0])
            for source in range(vertex):
                arriving |= edges[:, source, vertex, None] & reached[source]
            for operation in range(base):
                carries = self.labels[:, vertex, None] == FIRST_OPERATION + operation
                reached[vertex, :, 1 + operation :: base] = arriving[:, :extendable] & carries
            ends = self.labels[:, vertex] == OUTPUT
            reached[vertex, ends] = arriving[ends]
        output = (self.labels == OUTPUT).argmax(axis=1)
        result: NDArray[np.bool_] = reached[output, np.arange(n)]
        return result
