"""Threads: those of the matrix libraries, and our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_FEW = 4  # parts that are done before threads would be ready


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for matrix products: how many there are decides the last bit, which the weights must not depend on."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread for the matrix products of NumPy and SciPy.

    Several pay for large matrices only, on a machine that has nothing else to do: on a busy one they wait for one
    another, and a product of small matrices takes up to a hundred times as long.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    """The libraries that are loaded: to look for them takes longer than a search's usual fit."""
    import scipy.linalg  # noqa: F401  # brings its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def in_parts(work: Callable[[slice], T], length: int, size: int) -> Iterator[T]:
    """What the work returns for each part of at most `size` of so many rows, in order; in threads where they pay."""
    parts = [slice(start, min(start + size, length)) for start in range(0, length, size)]
    if len(parts) < _FEW:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(work, parts)
