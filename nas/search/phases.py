"""What a search spends its time on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Phases(dict[str, float]):
    """Wall seconds by phase."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase."""
        start = perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + perf_counter() - start
