"""Batches of labelled directed acyclic graphs, and the encodings that follow from a graph alone.

A search space that can give its graphs (`Space.graphs`) gets every encoding in this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

_MOST_PATHS = 1 << 16

ABSENT, INPUT, OUTPUT, FIRST_OPERATION = 0, 1, 2, 3


@dataclass(frozen=True)
class Graphs:
    """`n` graphs of at most `v` vertices each, vertices in topological order, absent ones last.

    Attributes:
        adjacency: `(n, v, v)` bool; `adjacency[i, x, y]` is the edge x -> y, and x < y. uint8 where edges may be
            several; see `contracted`.
        labels: `(n, v)` uint8; `ABSENT`, `INPUT`, `OUTPUT`, or `FIRST_OPERATION` + the index in `operations`.
        operations: the names of the operations a vertex may carry.
        longest: how many operations there can be on a path, in any graph of the space; None: v - 2.
        identities: those of the operations that give what they get.
    """

    adjacency: NDArray[Any]
    labels: NDArray[np.uint8]
    operations: tuple[str, ...]
    longest: int | None = None
    identities: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def compact(self) -> Graphs:
        """Move the absent vertices to the end; the others stay in their order."""
        order = np.argsort(self.labels == ABSENT, axis=1, kind="stable")
        adjacency = np.take_along_axis(self.adjacency, order[:, :, None], axis=1)
        adjacency = np.take_along_axis(adjacency, order[:, None, :], axis=2)
        return replace(self, adjacency=adjacency, labels=np.take_along_axis(self.labels, order, axis=1))

    def contracted(self) -> Graphs:
        """Leave out identities: what fed one feeds what it fed, over as many edges as there were ways."""
        if not self.identities:
            return self
        adjacency = self.adjacency.astype(np.uint8)
        new_label = np.arange(FIRST_OPERATION + len(self.operations), dtype=np.uint8)
        new_label[FIRST_OPERATION:] = ABSENT
        kept = tuple(name for name in self.operations if name not in self.identities)
        for code, name in enumerate(kept, FIRST_OPERATION):
            new_label[FIRST_OPERATION + self.operations.index(name)] = code
        labels = new_label[self.labels]
        for vertex in range(1, labels.shape[1]):
            rows = np.flatnonzero((labels[:, vertex] == ABSENT) & (self.labels[:, vertex] != ABSENT))
            adjacency[rows] += adjacency[rows, :, vertex, None] * adjacency[rows, vertex, None, :]
            adjacency[rows, vertex], adjacency[rows, :, vertex] = 0, 0
        return Graphs(adjacency, labels, kept, self.longest).compact()

    @property
    def vocabulary(self) -> int:
        """Number of distinct tokens that `tokens` may return."""
        return OUTPUT + 2 + len(self.operations)

    def tokens(self) -> NDArray[np.uint8]:
        """Encode each graph as the token sequence of NAO (Luo et al. 2018) and SemiNAS.

        For every vertex but the first: one token for each earlier vertex (1 no edge, 2 edge), then one for the
        label (3 output, 4 and up the operations). Absent vertices are 0 throughout.

        Returns:
            `(n, (v + 2) * (v - 1) / 2)` uint8, each below `vocabulary`.
        """
        columns = []
        for vertex in range(1, self.labels.shape[1]):
            label = self.labels[:, vertex, None]
            edges = 1 + self.adjacency[:, :vertex, vertex].astype(np.uint8)
            columns += [edges * (label != ABSENT), label + (label != ABSENT)]
        return np.concatenate(columns, axis=1, dtype=np.uint8)

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
        if base**longest > _MOST_PATHS:
            raise UserError(
                f"there are {base}**{longest} paths of {longest} vertices over {base} operations, the path encoding "
                f"holds at most {_MOST_PATHS:,}: choose an estimator on plain genes, such as estimator=knn_onehot"
            )
        extendable = sum(base**i for i in range(longest))  # sequences that have room for one more operation
        reached = np.zeros((v, n, extendable + base**longest), dtype=np.bool_)
        reached[0, :, 0] = True
        for vertex in range(1, v):
            arriving = np.zeros_like(reached[0])
            for source in range(vertex):
                arriving |= self.adjacency[:, source, vertex, None] & reached[source]
            for operation in range(base):
                carries = self.labels[:, vertex, None] == FIRST_OPERATION + operation
                reached[vertex, :, 1 + operation :: base] = arriving[:, :extendable] & carries
            ends = self.labels[:, vertex] == OUTPUT
            reached[vertex, ends] = arriving[ends]
        output = (self.labels == OUTPUT).argmax(axis=1)
        result: NDArray[np.bool_] = reached[output, np.arange(n)]
        return result
