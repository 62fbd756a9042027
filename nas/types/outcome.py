"""What is evaluated, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.types.batch import Batch, Values, same_length

_MOST = 1e100  # what is made of values has room for their squares, and for sums of these


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator measured: `value` `(n,)`, and the training `seconds` behind it `(n,)`, NaN where unknown."""

    value: Values
    seconds: Values

    def __post_init__(self) -> None:
        same_length(self, value=self.value, seconds=self.seconds)


@dataclass(frozen=True, eq=False)
class Candidate:
    """One architecture that the search wants evaluated, and what the surrogate said when it was chosen.

    Attributes:
        batch: the architecture, a batch of one.
        origin: the move that proposed it.
        mean: the estimate, or None.
        std: its standard deviation, or None.
        seconds: of candidate training that the estimates of its round cost; charged with this candidate.
        step: the trial that it repeats, where that failed, or whose training goes on; else None.
        until: the fidelity: epochs after which its training stops; None: the whole training.
        bracket: the scheduler's, 0 or more; only candidates of one bracket compete.
        reached: epochs of its training that are recorded.
        begun: on the clock of the search when it was submitted; None: it was not.
    """

    batch: Batch
    origin: str
    mean: float | None = None
    std: float | None = None
    seconds: float = 0.0
    step: int | None = None
    until: int | None = None
    bracket: int = 0
    reached: int = 0
    begun: float | None = None

    @property
    def genes(self) -> NDArray[np.uint8]:
        """`(genes,)` uint8, as proposed."""
        genes: NDArray[np.uint8] = self.batch.genes[0]
        return genes

    @property
    def key(self) -> str:
        """The network's key, 16 hexadecimal digits."""
        return f"{self.batch.keys[0]:016x}"


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate.

    Attributes:
        values: what was measured, by name, such as `{"validation": .93}`; empty where the evaluation failed.
        seconds: of training since what was recorded of it, at least 0, or None where unknown.
        epochs: the fidelity: how many epochs of training are behind the values, or None where unknown.
        error: why the evaluation failed, or None.
        details: what else the evaluator has to tell, such as learning curves; plain numbers, texts, lists and
            mappings, also of NumPy. A number that is not finite becomes None.
        partial: whether the training stopped before its end, and may go on.

    Raises:
        ValueError: a value, or the seconds, is no finite number; neither a value nor an error is given.
        TypeError: the details hold something that is not plain.
    """

    values: Mapping[str, float]
    seconds: float | None = None
    epochs: int | None = None
    error: str | None = None
    details: Mapping[str, Any] | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        values = {str(name): finite(number, name) for name, number in self.values.items()}
        if not values and self.error is None:
            raise ValueError("neither a value nor an error was given")
        set_ = object.__setattr__  # the instance is frozen
        set_(self, "values", MappingProxyType(values))
        seconds = None if self.seconds is None else finite(self.seconds, "seconds")
        if seconds is not None and seconds < 0:
            raise ValueError(f"seconds is {seconds}, must be at least 0")
        set_(self, "seconds", seconds)
        set_(self, "epochs", None if self.epochs is None else int(self.epochs))
        set_(self, "error", None if self.error is None else str(self.error))
        set_(self, "details", None if self.details is None else plain(dict(self.details), "details"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it pass from one process to another: a read-only mapping cannot."""
        fields = self.seconds, self.epochs, self.error, self.details, self.partial
        return type(self), (dict(self.values), *fields)

    @classmethod
    def failed(cls, error: str, seconds: float | None = None, details: Mapping[str, Any] | None = None) -> Outcome:
        """The outcome of an evaluation that gave no value."""
        return cls({}, seconds, error=error, details=details)


def finite(number: Any, name: str) -> float:
    """The number as a plain float. Raises ValueError where it is none, or so large that its square is not finite."""
    try:
        if isinstance(number, str | bytes):
            raise TypeError("a text is no number, whatever it says")
        result = float(number)
    except OverflowError:
        result = math.inf
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {number!r}, must be a number") from error
    if not math.isfinite(result):
        raise ValueError(f"{name} is {result}, must be finite")
    if abs(result) > _MOST:
        raise ValueError(f"{name} is {result}, must be within {-_MOST:g}..{_MOST:g}")
    return result


def plain(content: Any, name: str) -> Any:
    """The content as JSON can hold it: NumPy becomes plain, a number that is not finite None. Raises TypeError."""
    if isinstance(content, np.generic | np.ndarray):
        content = content.tolist()
    if content is None or isinstance(content, str | bool | int):
        return content
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): plain(entry, f"{name}.{key}") for key, entry in content.items()}
    if isinstance(content, list | tuple):
        return [plain(entry, f"{name}[{place}]") for place, entry in enumerate(content)]
    raise TypeError(f"{name} is a {type(content).__name__}, must be numbers, texts, lists or mappings")


@dataclass(frozen=True)
class Reference:
    """What a benchmark knows of the whole space; for reports only, never for a search.

    Attributes:
        signal: `(n,)` the value of every architecture of the space.
        test: `(n,)` its mean test accuracy, 0..1.
    """

    signal: Values
    test: Values

    def __post_init__(self) -> None:
        same_length(self, signal=self.signal, test=self.test)
