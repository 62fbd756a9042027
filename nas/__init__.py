"""Neural architecture search with estimators that learn from few evaluated architectures.

`run` searches, and `load` reads what a run has left, as a `Result`. `compose_search` makes a `Search`, which is driven
by `ask` and `tell`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas._version import __version__

if TYPE_CHECKING:
    from nas.search import Result, Search, compose_search, load, run

__all__ = ["Result", "Search", "__version__", "compose_search", "load", "run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import nas` stays fast."""
    if name in ("Result", "Search", "compose_search", "load", "run"):
        import nas.search

        return getattr(nas.search, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
