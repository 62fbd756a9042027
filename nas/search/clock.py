"""The clock of a search: what its budget of seconds is held against, and what it waits for."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from time import monotonic
from typing import Protocol

from nas.types import Candidate, Outcome


class Clock(Protocol):
    """Tells seconds since the search began, over all parts of a run."""

    @property
    def now(self) -> float:
        """Seconds."""

    def begin(self, candidate: Candidate, future: Future[Outcome]) -> None:
        """An evaluation has begun."""

    def wait(self, running: Collection[Future[Outcome]]) -> set[Future[Outcome]]:
        """Wait until some of what is running are done, and return these."""


class WallClock:
    """The wall's.

    Args:
        before: seconds of the parts of the run before.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._start = monotonic() - before

    @property
    def now(self) -> float:
        """Seconds."""
        return monotonic() - self._start

    def begin(self, candidate: Candidate, future: Future[Outcome]) -> None:
        """Do nothing: it runs by itself."""

    def wait(self, running: Collection[Future[Outcome]]) -> set[Future[Outcome]]:
        """Wait."""
        return wait(running, return_when=FIRST_COMPLETED).done


class SimulatedClock:
    """That of evaluations which were looked up: each takes the seconds that its outcome tells.

    What ends first is done first; of several at once, what began first. An outcome without seconds takes none.

    Args:
        before: seconds of the parts of the run before.
    """

    def __init__(self, before: float = 0.0) -> None:
        self.now = before
        self._ends: list[tuple[float, int, Future[Outcome]]] = []
        self._begun = 0

    def begin(self, candidate: Candidate, future: Future[Outcome]) -> None:
        """Note when it will be done: from when it was first begun, which may be in a part of the run before."""
        begun = self.now if candidate.begun is None else candidate.begun
        took = candidate.seconds + (0.0 if future.exception() else future.result().seconds or 0.0)
        heapq.heappush(self._ends, (begun + took, self._begun, future))
        self._begun += 1

    def wait(self, running: Collection[Future[Outcome]]) -> set[Future[Outcome]]:
        """Let the seconds pass until the next is done."""
        end, _, future = heapq.heappop(self._ends)
        self.now = max(self.now, end)
        return {future}
