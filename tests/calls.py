"""Calls for other processes to run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def where(seconds: float = 0.3) -> int:
    time.sleep(seconds)
    return os.getpid()


def die(marks: str, times: int) -> str:
    """Kill the own process the first `times` times."""
    died = mark(marks)
    if died < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def mark(marks: str) -> int:
    """Leave a mark; how many there were before."""
    before = len(list(Path(marks).iterdir()))
    (Path(marks) / str(before)).touch()
    return before


def fail() -> None:
    raise ValueError("no such thing")


def hang() -> None:
    """Be deaf: no Python code runs any more in this process, as in a kernel that never returns and holds the GIL."""
    import ctypes

    ctypes.PyDLL(None).sleep(300)


class LocalError(Exception):
    """Cannot be pickled: it holds a lock."""

    def __init__(self) -> None:
        super().__init__("the disk fell off")
        self.lock = threading.Lock()


class OddError(Exception):
    """Can be pickled, but not unpickled: its arguments are not those of `__init__`."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(f"{what} has code {code}")


class Odd:
    def __reduce__(self) -> tuple:
        return int, ("seven",)


def raise_after(marks: str, error: Callable[[], BaseException]) -> None:
    mark(marks)
    raise error()


def give(marks: str, result: Callable[[], object]) -> object:
    mark(marks)
    return result()


def generator() -> Iterator[int]:
    return (number for number in range(3))


def has_mark() -> bool:
    return hasattr(where, "forked")


def slowly_fail(marks: str) -> None:
    mark(marks)
    time.sleep(1)
    raise ValueError("no matter")
