"""The hash by which NAS-Bench-101 knows a cell (Ying et al. 2019, section 2.2: an iterative graph hash)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5

import numpy as np
from numpy.typing import NDArray

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs

_CODES = {INPUT: -1, OUTPUT: -2}  # operations count from 0


@lru_cache(maxsize=1 << 16)
def _digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def module_hashes(graphs: Graphs) -> list[str]:
    """Return the official module hash of each graph; isomorphic graphs have the same.

    A vertex starts with the hash of its out-degree, in-degree and label; then, once per vertex of the graph, every
    vertex takes in the sorted hashes of those before and after it. The result is the hash of the sorted list.
    """
    return [
        _module_hash(adjacency[np.ix_(there, there)], labels[there])
        for adjacency, labels, there in zip(graphs.adjacency, graphs.labels, graphs.labels != ABSENT, strict=True)
    ]


def _module_hash(adjacency: NDArray[np.bool_], labels: NDArray[np.uint8]) -> str:
    sources = [np.flatnonzero(column).tolist() for column in adjacency.T]
    targets = [np.flatnonzero(row).tolist() for row in adjacency]
    codes = [_CODES.get(label, label - FIRST_OPERATION) for label in labels.tolist()]
    hashes = [_digest(str((len(t), len(s), c))) for t, s, c in zip(targets, sources, codes, strict=True)]
    for _ in codes:
        hashes = [
            _digest(f"{_joined(hashes, s)}|{_joined(hashes, t)}|{own}")
            for s, t, own in zip(sources, targets, hashes, strict=True)
        ]
    return _digest(str(sorted(hashes)))


def _joined(hashes: list[str], vertices: list[int]) -> str:
    return "".join(sorted(hashes[vertex] for vertex in vertices))
