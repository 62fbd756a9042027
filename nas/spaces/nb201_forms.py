"""Which NAS-Bench-201 cells are the same network: the normal form of a cell."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from nas.types import Architectures

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges of a cell in the order of its genes: nodes 0 (the input) to 3 (the output)."""
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)

_POWERS = 4  # of pooling: at most three on a path
_SOURCES = 1 + len(EDGES)  # what a value is a sum of: the cell's input, or the convolution of an edge

Terms = NDArray[np.int8]


def normal_forms(archs: Architectures) -> NDArray[np.intp]:
    """Number the distinct networks among cells: `(n,)`, equal exactly for cells with the same normal form.

    A node is the sum of what comes over its edges, so with skip-connections as identity every node is a sum of
    terms: the cell's input, or what one convolution gives, through so many average pools, so many times. Pooling is
    linear, so it is applied term by term. The normal form says of each convolution its kernel and the sum it takes, and
    of the output its sum, for whatever order of the convolutions; a convolution that does not reach the output, or
    takes nothing, is left out. Cells that share it compute the same function of the same weights.

    A convolution that serves two paths is another network than two convolutions, one on each, though the field's
    strings of expressions (Dong and Yang 2020, 6,466 of them) make no difference there.
    """
    takes = _sums(archs)
    live = _live(takes)
    count = live.sum(axis=1)
    forms = np.empty(len(archs), dtype=np.intp)
    known = 0
    for convolutions in range(len(EDGES) + 1):
        rows = np.flatnonzero(count == convolutions)
        if len(rows):
            codes = _codes(archs[rows], takes[rows], live[rows], convolutions)
            _, labels = np.unique(codes, return_inverse=True)
            smallest = labels.reshape(len(rows), -1).min(axis=1)
            forms[rows] = known + np.unique(smallest, return_inverse=True)[1]
            known = forms[rows].max() + 1
    return forms


def _sums(archs: Architectures) -> Terms:
    """`(n, edges + 1, sources, powers)`: how often each term is in what enters each edge and, last, in the output."""
    nodes: Terms = np.zeros((4, len(archs), _SOURCES, _POWERS), dtype=np.int8)
    nodes[0, :, 0, 0] = 1
    for edge, (source, target) in enumerate(EDGES):
        operation, entering = archs[:, edge, None, None], nodes[source]
        nodes[target] += entering * (operation == SKIP)
        nodes[target][:, :, 1:] += entering[:, :, :-1] * (operation == POOL)
        convolved = (archs[:, edge] == CONV_1X1) | (archs[:, edge] == CONV_3X3)
        nodes[target][:, 1 + edge, 0] += convolved & entering.any(axis=(1, 2))
    return np.stack([*(nodes[source] for source, _ in EDGES), nodes[3]], axis=1)


def _live(takes: Terms) -> NDArray[np.bool_]:
    """`(n, edges)`: whether the edge's convolution is there and reaches the output."""
    used: NDArray[np.bool_] = np.any(takes, axis=3)
    live = np.zeros(takes.shape[:2], dtype=np.bool_)
    live[:, -1] = True  # the output
    for edge in reversed(range(len(EDGES))):
        live[:, edge] = (used[:, :, 1 + edge] & live).any(axis=1)
    return live[:, :-1]


def _codes(archs: Architectures, takes: Terms, live: NDArray[np.bool_], count: int) -> NDArray[np.void]:
    """`(n, count!)`: what cells of `count` live convolutions are in every order of them."""
    there = np.argsort(~live, axis=1, kind="stable")[:, :count]
    first, last = np.zeros((len(archs), 1), dtype=np.intp), np.full((len(archs), 1), len(EDGES))
    codes = []
    for order in permutations(range(count)):
        edges = there[:, list(order)]
        kernels = np.take_along_axis(archs, edges, axis=1).astype(np.int8)
        receivers, sources = np.hstack([edges, last]), np.hstack([first, 1 + edges])
        sums = np.take_along_axis(takes, receivers[:, :, None, None], axis=1)
        sums = np.take_along_axis(sums, sources[:, None, :, None], axis=2)
        codes.append(np.hstack([kernels, sums.reshape(len(archs), -1)]))
    packed = np.ascontiguousarray(np.stack(codes, axis=1))
    return packed.view(np.dtype((np.void, packed.shape[2])))[:, :, 0]
