"""Architectures on their way through a search, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nas.graphs import Graphs
    from nas.types.protocols import Space

Architectures: TypeAlias = NDArray[np.uint8]
"""`(n, genes)`: one architecture a row."""
Keys: TypeAlias = NDArray[np.uint64]
"""`(n,)`: equal exactly for architectures that are the same network."""
Values: TypeAlias = NDArray[np.float64]
"""`(n,)`: one number an architecture."""


def same_length(owner: object, **columns: NDArray[Any] | None) -> None:
    """Raise ValueError unless all columns that are there are `(n,)`."""
    lengths = {name: column.shape for name, column in columns.items() if column is not None}
    if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        raise ValueError(f"{type(owner).__name__} needs columns of one shape (n,), got {lengths}")


@dataclass(frozen=True, eq=False)
class Batch:
    """Architectures on their way through a search, brought to canonical form once; made by `Space.batch`.

    Attributes:
        genes: `(n, genes)` uint8, as proposed.
        canonical: `(n, genes)` uint8, one representative for all architectures that are the same network.
        keys: `(n,)` uint64, equal exactly for the same network.
        space: what made it.
    """

    genes: Architectures
    canonical: Architectures
    keys: Keys
    space: Space = field(repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def graphs(self) -> Graphs:
        """The computation graphs, made when first asked for."""
        return self.space.graphs_of(self.canonical)

    def one_hot(self) -> NDArray[np.float32]:
        """`(n, columns)`: the canonical genes, one column a choice."""
        return self.space.one_hot_of(self.canonical)

    def take(self, rows: NDArray[Any] | slice) -> Batch:
        """Return some of the architectures: `rows` as NumPy indexes."""
        return Batch(self.genes[rows], self.canonical[rows], self.keys[rows], self.space)

    def split(self, most: int) -> list[Batch]:
        """Cut into parts of `most` architectures, the last of what is left; at least one part."""
        return [self.take(slice(start, start + most)) for start in range(0, max(len(self), 1), most)]

    @staticmethod
    def join(parts: Sequence[Batch]) -> Batch:
        """Put batches of one space one after the other; at least one."""
        return Batch(
            np.concatenate([part.genes for part in parts]),
            np.concatenate([part.canonical for part in parts]),
            np.concatenate([part.keys for part in parts]),
            parts[0].space,
        )


@dataclass(frozen=True)
class Features:
    """What an encoder knows of `n` architectures, and its price.

    Attributes:
        values: `(n, d)` float32.
        seconds: `(n,)` of candidate training that they cost; 0 for what follows from the graph.
    """

    values: NDArray[np.float32]
    seconds: Values

    @classmethod
    def free(cls, values: NDArray[np.float32]) -> Features:
        """Features that follow from the graph alone: no candidate is trained."""
        return cls(values, np.zeros(len(values)))


@dataclass(frozen=True)
class Prediction:
    """What an estimator says of `n` architectures.

    Attributes:
        mean: `(n,)` the estimated value, in the unit of the values the estimator was fitted on; NaN: no estimate.
        std: `(n,)` the standard deviation of the estimate, same unit, or None where the estimator has none.
        seconds: of candidate training that these estimates cost, all together; 0 where no candidate was trained.

    Raises:
        ValueError: the columns differ in shape.
    """

    mean: Values
    std: Values | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        same_length(self, mean=self.mean, std=self.std)

    def top(self, n: int) -> NDArray[np.intp]:
        """Indices of the `n` highest means, best first; ties and missing estimates in their given order."""
        return top(self.mean, n)

    def take(self, rows: NDArray[np.intp]) -> Prediction:
        """Return the prediction for some of the architectures; the seconds stay those of all."""
        return Prediction(self.mean[rows], None if self.std is None else self.std[rows], self.seconds)

    @staticmethod
    def join(parts: Sequence[Prediction]) -> Prediction:
        """Put predictions one after the other; at least one, all with deviations or none."""
        deviations = [part.std for part in parts if part.std is not None]
        return Prediction(
            np.concatenate([part.mean for part in parts]),
            np.concatenate(deviations) if deviations else None,
            sum(part.seconds for part in parts),
        )


def top(scores: Values, n: int) -> NDArray[np.intp]:
    """Indices of the `n` highest scores, best first; ties and missing scores (NaN) in their given order."""
    return np.argsort(-scores, kind="stable")[:n]


@dataclass(frozen=True)
class Proposal:
    """Candidates of a strategy.

    Attributes:
        batch: `n` architectures, best guess first.
        origin: `(n,)` the name of the move that made each.
        prediction: what the surrogate says of all of them, where the strategy has asked it already.
        chosen: whether all are to be evaluated, as far as the budget goes, and not `batch` of them.
    """

    batch: Batch
    origin: NDArray[np.str_]
    prediction: Prediction | None = None
    chosen: bool = False

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, rows: NDArray[np.intp]) -> Proposal:
        """Return some of the candidates."""
        prediction = None if self.prediction is None else self.prediction.take(rows)
        return replace(self, batch=self.batch.take(rows), origin=self.origin[rows], prediction=prediction)
