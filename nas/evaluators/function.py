"""Evaluation by a Python function."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from hashlib import sha256
from textwrap import dedent
from types import CodeType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

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

    Raises:
        UserError: it is no function.
    """

    slots = 1
    deaths = 0
    value = VALUE

    def __init__(self, space: Space, function: Callable[[dict[str, str]], Any]) -> None:
        if not callable(function):
            raise UserError(f"function is {function!r}, must be a function of a mapping from gene to choice")
        self.space = space
        self._function = function

    def identity(self) -> dict[str, str]:
        """The function's name, and a digest of its code."""
        name = getattr(self._function, "__qualname__", type(self._function).__name__)
        return {
            "function": f"{getattr(self._function, '__module__', '')}.{name}",
            "code": sha256(_code(self._function).encode()).hexdigest()[:16],
        }

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

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[NDArray[np.float64], Values]:
        """Nothing is seen of a function before it returns. Raises UserError."""
        raise UserError("a function has no learning curve: use an estimator that needs none")

    def curve_epochs(self, metric: str) -> NDArray[np.int64]:
        """Nothing is seen of a function before it returns. Raises UserError."""
        raise UserError("a function has no learning curve: use an estimator that needs none")

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


def _code(function: Any) -> str:
    """What a function says; what it calls does not count.

    Its source without comments and layout, where there is one; else, and of a lambda, whose lines may hold more, what
    Python has made of it.
    """
    function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = function.func
    owner = function if inspect.isroutine(function) else type(function)
    try:
        statement = ast.parse(dedent(inspect.getsource(owner))).body[0]
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return ast.unparse(statement)
    except (OSError, TypeError, SyntaxError, IndexError):  # it was typed in, or is a part of a line, or no Python
        pass
    called = owner if inspect.isroutine(owner) else owner.__call__
    return _compiled(called.__code__) if hasattr(called, "__code__") else ""


def _compiled(code: CodeType) -> str:
    constants = [_compiled(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return repr((code.co_code, constants, code.co_names))
