"""Features of a graph from random walks and from signals sent through it, for every space that can give its graphs."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.graphs.counts import Numbers, in_parts
from nas.graphs.features import operation_sets, set_names
from nas.graphs.graphs import FIRST_OPERATION, INPUT, OUTPUT, Graphs

_DECAY = 0.5
_EXACT = 1 << 24  # up to which float32 holds every whole number

Array = NDArray[Any]
"""float32, or float64 for graphs of many paths."""


def walk_features(graphs: Graphs) -> NDArray[np.float32]:
    """Describe graphs by what a random path from input to output meets.

    Three distributions over paths: from the output back, all edges into a vertex alike (the share of each in a sum of
    its inputs); from the input on, all edges out of a vertex alike (the share of each in the gradient); all paths
    alike. Of each, with `o` operations: the expected number of edges for each pair of a source (the input or an
    operation) and a target (an operation or the output); the standard deviation of the number of vertices of each
    operation, and of all; for each set of operations but the empty one the expectation of 0.5 ** (vertices in the set).

    Args:
        graphs: `n` graphs; every vertex that is there is on a path from the input to the output.

    Returns:
        `(n, len(walk_names(graphs.operations)))`, no NaN; not scaled.

    Raises:
        UserError: there are too many operations for sets of them, or paths to be counted.
    """
    return in_parts(graphs, _walk_columns, np.float32, _EXACT)


def signal_features(graphs: Graphs) -> NDArray[np.float32]:
    """Describe graphs by how much alike they make two signals that are uncorrelated at the input.

    For each set of operations but the empty one, the correlation at the output, where operations of the set act like a
    wide random layer with rectifier (the arc-cosine kernel, Cho and Saul 2009) and others pass their input on; once
    with every edge of the same weight, once with weights that follow the signal's variance, which a layer resets to one
    and a sum adds up. Last, for each of the sets, log(1 + that variance) at the output.

    Args:
        graphs: as for `walk_features`.

    Returns:
        `(n, len(signal_names(graphs.operations)))`, no NaN; not scaled.

    Raises:
        UserError: as for `walk_features`.
    """
    return in_parts(graphs, _signal_columns, np.float32, _EXACT)


def walk_names(operations: tuple[str, ...]) -> list[str]:
    """Say in words what each column of `walk_features` is."""
    sets = set_names(operations)[1:]
    return [
        f"{walk}: {what}"
        for walk in ("back from the output", "on from the input", "all paths alike")
        for what in (
            *(f"edges {a} -> {b}" for a, b in product(("input", *operations), (*operations, "output"))),
            *(f"deviation of vertices {what}" for what in (*operations, "of all")),
            *(f"decay over {s}" for s in sets),
        )
    ]


def signal_names(operations: tuple[str, ...]) -> list[str]:
    """Say in words what each column of `signal_features` is."""
    sets = set_names(operations)[1:]
    columns = ("correlation by edges", "correlation by variance", "log variance")
    return [f"{what} through {s}" for what in columns for s in sets]


def _arrays(graphs: Graphs, numbers: Numbers) -> tuple[Array, Array, Array, Array, Array]:
    """Edges `(v, v, n)`; who carries each operation `(o, v, n)`; the input and the output `(1, v, n)` each.

    Last, for each set of operations but the empty one, who carries one of them `(s, v, n)`.
    """
    edges = np.ascontiguousarray(graphs.adjacency.transpose(1, 2, 0), dtype=numbers)
    labels, operations = graphs.labels.T, graphs.operations
    codes = np.arange(FIRST_OPERATION, FIRST_OPERATION + len(operations))[:, None, None]
    carries = (codes == labels).astype(numbers)
    starts, ends = (labels == np.array([[INPUT], [OUTPUT]])[..., None, None]).astype(numbers)
    inside = np.tensordot(operation_sets(operations)[1:].astype(numbers), carries, axes=1)
    return edges, carries, starts, ends, inside


def _walk_columns(graphs: Graphs, numbers: Numbers) -> NDArray[np.float32]:
    edges, carries, starts, ends, inside = _arrays(graphs, numbers)
    counted = np.concatenate([carries, carries.sum(axis=0, keepdims=True)])
    columns: list[Array] = []
    for back in _walks(edges, ends[0]):
        taken = _taken(back, ends[0])
        columns.append(_pairs(taken, np.concatenate([starts, carries]), np.concatenate([carries, ends])))
        columns.append(_deviations(back, counted, ends[0]))
        columns.append(_decays(back, 1 - (1 - _DECAY) * inside, ends[0]))
    return _rows(columns)


def _signal_columns(graphs: Graphs, numbers: Numbers) -> NDArray[np.float32]:
    edges, _, _, ends, inside = _arrays(graphs, numbers)
    by_edges, _ = _correlations(edges, inside, ends[0], by_variance=False)
    by_variance, variance = _correlations(edges, inside, ends[0], by_variance=True)
    return _rows([by_edges, by_variance, np.log1p(variance)])


def _rows(columns: list[Array]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.concatenate(columns, dtype=np.float32, casting="same_kind").T
    return rows


def _at_output(values: Array, ends: Array) -> Array:
    """`(c, n)` of `(v, c, n)`: what stands at each graph's output."""
    taken: Array = values[ends.argmax(axis=0), :, np.arange(values.shape[2])].T
    return taken


def _walks(edges: Array, ends: Array) -> list[Array]:
    """Each distribution over paths as `(v, v, n)`: at [x, y], how likely a path that is at y came from x."""
    v, _, n = edges.shape
    paths, visits = np.zeros((2, v, n), dtype=edges.dtype)
    paths[0], visits[0] = 1, 1
    onward = edges / np.maximum(edges.sum(axis=1), 1)[:, None]
    for y in range(1, v):
        paths[y] = (edges[:y, y] * paths[:y]).sum(axis=0)
        visits[y] = (onward[:y, y] * visits[:y]).sum(axis=0)
    tiny = edges.dtype.type(1e-30)  # absent vertices are never visited
    return [
        edges / np.maximum(edges.sum(axis=0), 1)[None],
        onward * visits[:, None] / np.maximum(visits, tiny)[None],
        edges * paths[:, None] / np.maximum(paths, tiny)[None],
    ]


def _taken(back: Array, ends: Array) -> Array:
    """`(v, v, n)`: how likely a path takes each edge."""
    visits = ends.copy()
    taken = np.zeros_like(back)
    for y in range(len(back) - 1, 0, -1):
        np.multiply(visits[y], back[:y, y], out=taken[:y, y])
        visits[:y] += taken[:y, y]
    return taken


def _pairs(taken: Array, sources: Array, targets: Array) -> Array:
    """Expected edges for each kind of source and of target: `(sources * targets, n)`."""
    v, _, n = taken.shape
    counts = np.zeros((len(sources), len(targets), n), dtype=taken.dtype)
    for x in range(v - 1):
        leaving = (taken[x, x + 1 :] * targets[:, x + 1 :]).sum(axis=1)
        counts += sources[:, None, x] * leaving
    return counts.reshape(len(sources) * len(targets), n)


def _deviations(back: Array, counted: Array, ends: Array) -> Array:
    """Standard deviation of the vertices of each kind on a path: `(kinds, n)`."""
    v, _, n = back.shape
    mean, square = np.zeros((2, v, len(counted), n), dtype=back.dtype)
    for y in range(1, v):
        into = back[:y, y, None]
        here = (into * mean[:y]).sum(axis=0)
        square[y] = (into * square[:y]).sum(axis=0) + counted[:, y] * (1 + 2 * here)
        mean[y] = here + counted[:, y]
    mean, square = _at_output(mean, ends), _at_output(square, ends)
    deviations: Array = np.sqrt(np.maximum(square - mean * mean, 0))
    return deviations


def _decays(back: Array, factors: Array, ends: Array) -> Array:
    """Expected product of the factors `(s, v, n)` along a path: `(s, n)`."""
    v, _, n = back.shape
    product_ = np.zeros((v, len(factors), n), dtype=back.dtype)
    product_[0] = 1
    for y in range(1, v):
        product_[y] = (back[:y, y, None] * product_[:y]).sum(axis=0) * factors[:, y]
    return _at_output(product_, ends)


def _correlations(edges: Array, inside: Array, ends: Array, by_variance: bool) -> tuple[Array, Array]:
    """At the output, for each set: the correlation of two signals uncorrelated at the input, and the variance.

    `(s, n)` each; without `by_variance`, the variance is one everywhere.
    """
    v, _, n = edges.shape
    correlation = np.zeros((v, len(inside), n), dtype=edges.dtype)
    variance = np.ones_like(correlation)
    for y in range(1, v):
        # several edges from one vertex carry one signal, so that its deviation adds up, not its variance
        weight = (edges[:y, y, None] ** 2 if by_variance else edges[:y, y, None]) * variance[:y]
        total = weight.sum(axis=0)
        c = (weight * correlation[:y]).sum(axis=0) / np.maximum(total, 1e-30)
        c = np.clip(c, 0, 1)
        layer = (np.sqrt(1 - c * c) + c * (np.pi - np.arccos(c))) / np.pi
        correlation[y] = c + inside[:, y] * (layer - c)
        if by_variance:
            variance[y] = total + inside[:, y] * (1 - total)
    return _at_output(correlation, ends), _at_output(variance, ends)
