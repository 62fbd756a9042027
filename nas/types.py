"""What the parts of a search say to one another.

Everywhere: `n` rows are `n` architectures, values are better the higher they are, an unknown number is NaN, and random
numbers come from the generator that is passed.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nas.graphs import Graphs

Architectures: TypeAlias = NDArray[np.uint8]
"""`(n, genes)`: one architecture a row."""
Keys: TypeAlias = NDArray[np.uint64]
"""`(n,)`: equal exactly for architectures that are the same network."""
Values: TypeAlias = NDArray[np.float64]
"""`(n,)`: one number an architecture."""


def _same_length(owner: object, **columns: NDArray[Any] | None) -> None:
    lengths = {name: column.shape for name, column in columns.items() if column is not None}
    if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        raise ValueError(f"{type(owner).__name__} needs columns of one shape (n,), got {lengths}")


@dataclass(frozen=True)
class Prediction:
    """What an estimator says of `n` architectures.

    Attributes:
        mean: `(n,)` the estimated value, in the unit of the values the estimator was fitted on; NaN: no estimate.
        std: `(n,)` the standard deviation of the estimate, same unit, or None where the estimator has none.
        cost: seconds of candidate training that one estimate took; 0 for estimators that train no candidate.

    Raises:
        ValueError: the columns differ in shape.
    """

    mean: Values
    std: Values | None = None
    cost: float = 0.0

    def __post_init__(self) -> None:
        _same_length(self, mean=self.mean, std=self.std)

    def top(self, n: int) -> NDArray[np.intp]:
        """Indices of the `n` highest means, best first; ties and missing estimates in their given order."""
        return top(self.mean, n)

    def take(self, rows: NDArray[np.intp]) -> Prediction:
        """Return the prediction for some of the architectures."""
        return Prediction(self.mean[rows], None if self.std is None else self.std[rows], self.cost)


def top(scores: Values, n: int) -> NDArray[np.intp]:
    """Indices of the `n` highest scores, best first; ties and missing scores (NaN) in their given order."""
    return np.argsort(-scores, kind="stable")[:n]


@dataclass(frozen=True)
class Proposal:
    """Candidates of a strategy: `archs` `(n, genes)`, and for each the name of the move that `origin` it `(n,)`."""

    archs: Architectures
    origin: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.archs)

    def take(self, rows: NDArray[np.intp]) -> Proposal:
        """Return some of the candidates."""
        return Proposal(self.archs[rows], self.origin[rows])


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator measured: `value` `(n,)`, and the training seconds it `cost` `(n,)`, NaN where unknown."""

    value: Values
    cost: Values

    def __post_init__(self) -> None:
        _same_length(self, value=self.value, cost=self.cost)


@dataclass(frozen=True)
class Candidate:
    """One architecture on its way to evaluation, and what was thought of it when it was chosen.

    Attributes:
        arch: `(genes,)` uint8.
        origin: the move that proposed it.
        mean: the estimate, or None.
        std: its standard deviation, or None.
    """

    arch: NDArray[np.uint8]
    origin: str
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate.

    Attributes:
        value: what the search may see, or None where the evaluation failed.
        cost: seconds of training, or None where unknown.
        error: why the evaluation failed, or None.
        details: what else the evaluator has to tell (such as learning curves), plain enough for JSON, or None.
    """

    value: float | None
    cost: float | None = None
    error: str | None = None
    details: dict[str, Any] | None = None


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
        _same_length(self, signal=self.signal, test=self.test)


class Space(Protocol):
    """A search space. It holds no data; see `nas.spaces.GeneSpace` for the base that gives most of it."""

    @property
    def cardinalities(self) -> NDArray[np.int64]:
        """`(genes,)`: the number of values each gene may take."""

    def check(self, archs: Any) -> Architectures:
        """Return a valid batch as it is. Raises UserError for anything out of the space."""

    def valid(self, archs: Architectures) -> NDArray[np.bool_]:
        """`(n,)`: which rows are architectures of the space."""

    def canonical(self, archs: Architectures) -> Architectures:
        """`(n, genes)`: one representative for all architectures that are the same network."""

    def keys(self, archs: Architectures) -> Keys:
        """`(n,)`: equal exactly for architectures that are the same network."""

    def identify(self, archs: Architectures) -> tuple[Keys, Architectures]:
        """Both `keys` and `canonical`, for the time of one."""

    @property
    def size(self) -> int:
        """How many distinct networks there are. Raises UserError where the space is too large to be enumerated."""

    def sample(self, n: int, rng: Generator) -> Architectures:
        """`(n, genes)`: uniform over the distinct networks, with replacement."""

    def mutate(self, archs: Architectures, rng: Generator) -> Architectures:
        """`(n, genes)`: for each architecture another network, one mutation away."""

    def perturb(self, archs: Architectures, rng: Generator) -> Architectures:
        """`(n, genes)`: one random gene of each changed to another value; need not be valid."""

    def neighbours(self, archs: Architectures) -> tuple[Architectures, NDArray[np.intp]]:
        """Every network one mutation away `(m, genes)`, and the row `(m,)` that each is a neighbour of."""

    def enumerate(self) -> Architectures:
        """Every distinct network once, canonical. Raises UserError where the space is too large."""

    def one_hot(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, columns)`: the canonical genes, one column a choice."""

    def graphs(self, archs: Architectures) -> Graphs:
        """The computation graphs, from which all other encodings follow."""


class Strategy(Protocol):
    """Proposes candidates. Its state is a function of what it was told, in order."""

    def ask(self, n: int, rng: Generator, exclude: Architectures | None = None) -> Proposal:
        """Propose up to `n` distinct architectures, none told before and none of `exclude`, best guess first.

        None at all means that the space is used up.
        """

    def tell(self, archs: Architectures, values: Values) -> None:
        """Learn the values of evaluated architectures, in the order of their evaluation; NaN: it failed."""


class Estimator(Protocol):
    """Estimates values from those already known. It never sees a value but through `fit`."""

    min_trials: int
    """How many known architectures `fit` needs."""
    gives_std: bool
    """Whether its predictions have standard deviations."""

    def prepare(self) -> None:
        """Do, once, what needs no values (such as training an encoder)."""

    def fit(self, archs: Architectures, values: Values) -> None:
        """Learn from all trials so far. Raises UserError for fewer than `min_trials`."""

    def predict(self, archs: Architectures) -> Prediction:
        """Estimate the values of architectures; the same network gets the same estimate. `fit` comes first."""


class Acquisition(Protocol):
    """Says which candidates to evaluate, given their estimates; see `nas.acquisition`."""

    needs_std: bool
    """Whether it needs the standard deviations of the estimates."""

    def __call__(self, prediction: Prediction, best: float, rng: Generator) -> Values:
        """`(n,)`: the higher, the sooner; `best` is the highest value known."""


class Evaluator(Protocol):
    """Measures architectures: looks them up or trains them."""

    space: Space
    """The architectures that can be measured: the space that was asked for, or the part of it that is covered."""
    slots: int
    """How many architectures may be measured at once."""

    def identity(self) -> dict[str, str]:
        """What is measured and on what; results of different identities must never be mixed."""

    def objective(self, name: str, archs: Architectures) -> Values:
        """`(n,)` what is known without evaluating, such as `params`; NaN: unknown. Raises UserError for other names."""

    def evaluate(self, archs: Architectures) -> Evaluation:
        """Measure architectures and wait for all. Raises UserError for one that cannot be measured."""

    def submit(self, arch: NDArray[np.uint8]) -> Future[Outcome]:
        """Begin to measure one architecture `(genes,)`; what goes wrong with it is told by the outcome."""

    def close(self) -> None:
        """Stop what is being measured, and give back what was taken for it."""

    def test(self, archs: Architectures) -> Values | None:
        """`(n,)` mean test accuracy, 0..1, or None where there is none. For the report only."""

    def reference(self) -> Reference | None:
        """What is known of the whole space, or None. For the report only."""
