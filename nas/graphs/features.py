"""Plain features of a graph that say what the network does, for every space that can give its graphs."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.graphs.counts import Numbers, in_parts
from nas.graphs.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs

_MOST_OPERATIONS = 8

Counts = NDArray[Any]


def graph_features(graphs: Graphs) -> NDArray[np.float32]:
    """Describe graphs by numbers that follow from them alone, in the spirit of GRAF (Kadlecova et al. 2024, section 3).

    With `o` operations, for each of the `2 ** o` sets of operations: the edges on the shortest and on the longest path
    from input to output whose inner vertices carry only those (shortest: the number of vertices `v`, longest: 0, where
    there is none), and how many such paths there are. For each of the sets that is not empty: its edges from the input,
    to the output, and among its vertices. For each operation: the most and the fewest of it on any path, and its number
    of vertices. For each pair of a source (the input or an operation) and a target (an operation or the output): the
    edges between them; for each operation: its edges in and out. Last: the number of vertices.

    Args:
        graphs: `n` graphs; every vertex that is there is on a path from the input to the output. Edges may be several.

    Returns:
        `(n, len(feature_names(graphs.operations)))`, no NaN; not scaled. Every count is the float32 nearest to it; one
        above 2**53 may be the next but one.

    Raises:
        UserError: there are too many operations for sets of them, or paths to be counted.
    """
    return in_parts(graphs, _features, np.int16, np.iinfo(np.int16).max)


def feature_names(operations: tuple[str, ...]) -> list[str]:
    """Say in words what each column of `graph_features` is."""
    sets = set_names(operations)
    return [
        *(f"{what} path over {s}" for what in ("shortest", "longest", "number of") for s in sets),
        *(f"edges {what} {s}" for what in ("from the input to", "to the output from", "among") for s in sets[1:]),
        *(f"{what} {o}" for what in ("most", "fewest", "vertices of") for o in operations),
        *(f"edges {a} -> {b}" for a, b in product(("input", *operations), (*operations, "output"))),
        *(f"edges {way} {o}" for way in ("into", "out of") for o in operations),
        "vertices",
    ]


def set_names(operations: tuple[str, ...]) -> list[str]:
    """Write each set of `operation_sets` as {a, b}."""
    rows = operation_sets(operations)
    return ["{" + ", ".join(o for o, there in zip(operations, row, strict=True) if there) + "}" for row in rows]


def operation_sets(operations: tuple[str, ...]) -> NDArray[np.bool_]:
    """`(2 ** o, o)`: which operations are in each set; the empty set first, the full one last.

    Raises:
        UserError: there are too many operations for sets of them.
    """
    count = len(operations)
    if count > _MOST_OPERATIONS:
        raise UserError(
            f"there are {count} operations, features of graphs can be made of at most {_MOST_OPERATIONS}: "
            f"choose an estimator on plain genes, such as estimator=knn_onehot"
        )
    members: NDArray[np.bool_] = (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(np.bool_)
    return members


def _features(graphs: Graphs, numbers: Numbers) -> NDArray[np.float32]:
    labels, operations = graphs.labels, graphs.operations
    n = len(labels)
    edges = np.ascontiguousarray(graphs.adjacency.transpose(1, 2, 0)).astype(numbers)  # (v, v, n)
    codes = np.arange(FIRST_OPERATION, FIRST_OPERATION + len(operations))[:, None, None]
    carries = (codes == labels.T).astype(numbers)  # (o, v, n)
    starts, ends = (np.array([INPUT, OUTPUT])[:, None, None] == labels.T).astype(numbers)  # (v, n) each
    sets = operation_sets(operations)

    sources = np.concatenate([starts[None], carries])
    targets = np.concatenate([carries, ends[None]])
    into = np.einsum("xyn,byn->bxn", edges, targets)
    pairs = np.einsum("axn,bxn->abn", sources, into)  # edges by kind of source and target
    among = np.einsum("so,opn,sp->sn", sets.astype(numbers), pairs[1:, :-1], sets.astype(numbers), optimize=True)
    members = sets[1:].astype(numbers)
    columns = [
        *_paths(edges, carries, ends, sets),
        members @ pairs[0, :-1],
        members @ pairs[1:, -1],
        among[1:],
        *_extremes(edges, carries, ends),
        carries.sum(axis=1),
        pairs.reshape(pairs.shape[0] * pairs.shape[1], n),
        pairs[:, :-1].sum(axis=0),
        pairs[1:].sum(axis=1),
        (labels != 0).sum(axis=1)[None],
    ]
    result = np.empty((n, sum(len(column) for column in columns)), dtype=np.float32)
    result[:] = np.concatenate(columns, dtype=np.float32, casting="unsafe").T
    return result


def _paths(edges: Counts, carries: Counts, ends: Counts, sets: NDArray[np.bool_]) -> tuple[Any, Any, Any]:
    """Shortest, longest and number of paths over each set of operations: `(2 ** o, n)` each."""
    v, _, n = edges.shape
    numbers = edges.dtype.type
    none = numbers(v)
    shortest = np.full((v, len(sets), n), none)
    longest, number = np.zeros_like(shortest), np.zeros_like(shortest)
    shortest[0], number[0] = 0, 1
    allowed = np.tensordot(sets.astype(numbers), carries, axes=1) + ends  # (s, v, n): 1 where a path may pass
    for y in range(1, v):
        ways = edges[:y, y, None] * allowed[:, y]
        edge = np.minimum(ways, 1)
        shortest[y] = np.minimum((shortest[:y] + 1 + none * (1 - edge)).min(axis=0), none)
        longest[y] = ((longest[:y] + 1) * (edge * (number[:y] > 0))).max(axis=0)
        number[y] = (number[:y] * ways).sum(axis=0, dtype=numbers)
    last, rows = ends.argmax(axis=0), np.arange(n)
    return tuple(what[last, :, rows].T for what in (shortest, longest, number))  # type: ignore[return-value]


def _extremes(edges: Counts, carries: Counts, ends: Counts) -> tuple[Any, Any]:
    """Most and fewest vertices of each operation on any path: `(o, n)` each."""
    v, _, n = edges.shape
    far = edges.dtype.type(v)
    most = np.zeros((v, len(carries), n), dtype=edges.dtype)
    fewest = np.full_like(most, far)
    fewest[0] = 0
    for y in range(1, v):
        edge = np.minimum(edges[:y, y, None], 1)
        most[y] = (most[:y] * edge).max(axis=0) + carries[:, y]
        fewest[y] = np.minimum((fewest[:y] + far * (1 - edge)).min(axis=0), far) + carries[:, y]
    last, rows = ends.argmax(axis=0), np.arange(n)
    return most[last, :, rows].T, fewest[last, :, rows].T
