"""Evaluation by a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, cast

from nas.errors import UserError
from nas.types import Batch, Candidate, Evaluation, Outcome, Reference, Space, Values

VALUE = "value"
"""The name of the value that the search sees, where the function gives one number."""


class FunctionEvaluator:
    """Calls a function with each architecture, in this process, one after the other.

    Args:
        space: the search space; its genes and their choices have names.
        function: gets a mapping from gene to choice; returns a number, the higher, the better, or a mapping of several
            by name, of which that called `value` is searched, or an `Outcome`. An exception is a failed trial.
    """

    slots = 1
    deaths = 0
    value = VALUE

    def __init__(self, space: Space, function: Callable[[dict[str, str]], Any]) -> None:
        self.space = space
        self._function = function

    def identity(self) -> dict[str, str]:
        """The function's name."""
        name = getattr(self._function, "__qualname__", type(self._function).__name__)
        return {"function": f"{getattr(self._function, '__module__', '')}.{name}"}

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Call the function."""
        genes = cast(Any, self.space).genes
        chosen = {gene.name: gene.choices[value] for gene, value in zip(genes, candidate.genes.tolist(), strict=True)}
        told = self._function(chosen)
        future: Future[Outcome] = Future()
        if not isinstance(told, Outcome):
            told = Outcome(told if isinstance(told, Mapping) else {VALUE: told})
        future.set_result(told)
        return future

    def evaluate(self, batch: Batch) -> Evaluation:
        """Refuse: a function is called for candidates of a search only."""
        raise UserError("a function is evaluated by a search only: use nas.run(function=...)")

    def objective(self, name: str, batch: Batch) -> Values:
        """Nothing is known without evaluating. Raises UserError."""
        raise UserError(f"objective.constraints names {name!r}, but nothing is known of a function before it is called")

    def platform(self) -> dict[str, str]:
        """It does not matter where."""
        return {}

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def test(self, batch: Batch) -> None:
        """There is no test accuracy."""

    def reference(self) -> Reference | None:
        """Nothing is known of the whole space."""
        return None
