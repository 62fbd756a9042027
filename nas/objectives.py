"""What is asked of an architecture beside a high value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import OptionError
from nas.options import validated
from nas.spaces.constrained import Constrained
from nas.types import Architectures, Batch, Candidate, Evaluation, Evaluator, Outcome, Reference, Space, Values

_LIMIT = re.compile(r"\s*(<=|>=|<|>)\s*(\S+)\s*")
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@validated
@dataclass(frozen=True)
class Objective:
    """The value, under constraints on what is known of an architecture before it is evaluated.

    Args:
        constraints: limits by what they limit, such as `{params: "<5e6", edgegpu_latency: "<4"}`; the evaluator says
            what there is. What is unknown satisfies none.

    Raises:
        OptionError: a limit is not `<`, `<=`, `>` or `>=` and a number.
    """

    constraints: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for name, limit in (self.constraints or {}).items():
            _parsed(name, limit)

    def restrict(self, evaluator: Evaluator) -> Evaluator:
        """Return an evaluator whose space is the part that satisfies the constraints; without any, the same one.

        Raises:
            UserError: the evaluator does not know one of the names, or no architecture satisfies all.
        """
        return ConstrainedEvaluator(evaluator, self.constraints) if self.constraints else evaluator


class ConstrainedEvaluator:
    """An evaluator of a part of its space; strategies and estimators see that part only.

    Args:
        evaluator: the evaluator; its `objective` is asked for the numbers.
        constraints: as for `Objective`.
    """

    def __init__(self, evaluator: Evaluator, constraints: Mapping[str, str]) -> None:
        self._evaluator = evaluator
        self._limits = {name: _parsed(name, limit) for name, limit in constraints.items()}
        self._text = ", ".join(f"{name} {' '.join(limit.split())}" for name, limit in constraints.items())
        measured = sha256(repr(sorted(evaluator.identity().items())).encode()).hexdigest()[:16]
        self.space: Space = Constrained(evaluator.space, self.satisfied, self._text, measured)
        self.slots, self.value = evaluator.slots, evaluator.value
        self.fidelities = getattr(evaluator, "fidelities", ())  # an evaluator of the user's may not say
        self.continues = getattr(evaluator, "continues", True)
        self.simulated = getattr(evaluator, "simulated", False)
        self.tells_seconds = getattr(evaluator, "tells_seconds", True)

    def satisfied(self, archs: Architectures) -> NDArray[np.bool_]:
        """`(n,)`: which architectures satisfy all constraints."""
        result = np.ones(len(archs), dtype=np.bool_)
        batch = self._evaluator.space.batch(archs)
        for name, (compare, limit) in self._limits.items():
            result &= compare(self._evaluator.objective(name, batch), limit)
        return result

    def identity(self) -> dict[str, str]:
        """What is measured and on what, and the constraints."""
        return {**self._evaluator.identity(), "constraints": self._text}

    def platform(self) -> dict[str, str]:
        """Where architectures are measured."""
        return self._evaluator.platform()

    @property
    def deaths(self) -> int:
        """How many workers died so far."""
        return self._evaluator.deaths

    def objective(self, name: str, batch: Batch) -> Values:
        """Return what the evaluator knows without evaluating."""
        return self._evaluator.objective(name, batch)

    def evaluate(self, batch: Batch) -> Evaluation:
        """Measure architectures and wait for all."""
        return self._evaluator.evaluate(batch)

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[NDArray[np.float64], Values]:
        """Return what the evaluator sees in the first epochs."""
        return self._evaluator.early(batch, metric, epochs)

    def curve_epochs(self, metric: str) -> NDArray[np.int64]:
        """Return after which epochs the evaluator sees a metric."""
        return self._evaluator.curve_epochs(metric)

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Begin to measure one architecture."""
        return self._evaluator.submit(candidate)

    def keep_checkpoints(self, folder: Path) -> None:
        """Say where trainings that may go on are kept."""
        if hasattr(self._evaluator, "keep_checkpoints"):
            self._evaluator.keep_checkpoints(folder)

    def close(self) -> None:
        """Stop what is being measured."""
        self._evaluator.close()

    def test(self, batch: Batch) -> Values | None:
        """Mean test accuracy, for the report only."""
        return self._evaluator.test(batch)

    def reference(self) -> Reference | None:
        """What is known of the part of the space, for the report only."""
        return self._reference

    @cached_property
    def _reference(self) -> Reference | None:
        if self._evaluator.reference() is None:
            return None
        batch = self.space.batch(self.space.enumerate())
        test = self._evaluator.test(batch)
        return None if test is None else Reference(self._evaluator.evaluate(batch).value, test)


def _parsed(name: str, limit: object) -> tuple[Callable[[Any, Any], Any], float]:
    try:
        found = _LIMIT.fullmatch(str(limit))
        if found is not None and np.isfinite(number := float(found[2])):
            return _COMPARISONS[found[1]], number
    except ValueError:
        pass
    raise OptionError(f"constraints.{name}", f"is {limit!r}, must be a comparison with a number, such as '<5e6'")
