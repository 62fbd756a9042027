"""The parts of a search: what each must offer to the others."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.types.batch import Architectures, Batch, Keys, Prediction, Proposal, Values
from nas.types.outcome import Candidate, Evaluation, Outcome, Reference

if TYPE_CHECKING:
    from nas.graphs import Graphs


class Space(Protocol):
    """A search space: mathematics, no data. See `nas.spaces.GeneSpace` for the base that gives most of it."""

    @property
    def cardinalities(self) -> NDArray[np.int64]:
        """`(genes,)`: the number of values each gene may take."""

    def batch(self, archs: Architectures) -> Batch:
        """Bring architectures `(n, genes)` to canonical form, once for all that is done with them."""

    def check(self, archs: Any) -> Architectures:
        """Return a valid batch as it is. Raises UserError for anything out of the space."""

    def valid(self, archs: Architectures) -> NDArray[np.bool_]:
        """`(n,)`: which rows are architectures of the space."""

    def canonical(self, archs: Architectures) -> Architectures:
        """`(n, genes)`: one representative for all architectures that are the same network."""

    def keys(self, archs: Architectures) -> Keys:
        """`(n,)`: equal exactly for architectures that are the same network."""

    @property
    def size(self) -> int:
        """How many distinct networks there are. Raises UserError where the space is too large to be enumerated."""

    def sample(self, n: int, rng: Generator) -> Architectures:
        """`(n, genes)`: uniform over the distinct networks, with replacement."""

    def mutate(self, parents: Batch, rng: Generator) -> Batch:
        """For each architecture another network, one mutation away."""

    def perturb(self, archs: Architectures, rng: Generator) -> Architectures:
        """`(n, genes)`: one random gene of each changed to another value; need not be valid."""

    def neighbours(self, batch: Batch) -> tuple[Batch, NDArray[np.intp]]:
        """Every network one mutation away, `m` of them, and the row `(m,)` that each is a neighbour of."""

    def enumerate(self) -> Architectures:
        """Every distinct network once, canonical. Raises UserError where the space is too large."""

    def one_hot(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, columns)`: the canonical genes, one column a choice."""

    def one_hot_of(self, canonical: Architectures) -> NDArray[np.float32]:
        """`one_hot` of architectures that are in canonical form already."""

    def graphs(self, archs: Architectures) -> Graphs:
        """The computation graphs, from which all other encodings follow."""

    def graphs_of(self, canonical: Architectures) -> Graphs:
        """The computation graphs of architectures that are in canonical form already."""


class Strategy(Protocol):
    """Proposes candidates. Its state is a function of what it was told, in order."""

    def ask(self, n: int, rng: Generator, pending: Batch | None = None, surrogate: Estimator | None = None) -> Proposal:
        """Propose up to `n` distinct architectures, none told before and none pending, best guess first.

        None at all means that the space is used up.

        Args:
            n: how many.
            rng: draws.
            pending: candidates that are being evaluated.
            surrogate: the estimator, fitted to all trials; None where it is not to be asked yet.
        """

    def tell(self, batch: Batch, values: Values) -> None:
        """Learn the values of evaluated architectures, in the order of their evaluation; NaN: it failed."""


class Estimator(Protocol):
    """Estimates values from those already known: the surrogate. It never sees a value but through `fit`."""

    min_trials: int
    """How many known architectures `fit` needs."""
    gives_std: bool
    """Whether its predictions have standard deviations."""
    values_in: tuple[float, float]
    """The least and the greatest value that it can learn from."""

    def prepare(self) -> None:
        """Do, once, what needs no values (such as training an encoder)."""

    def identity(self) -> str:
        """What the estimates depend on beside the options, such as the encoder that was trained; empty: nothing."""

    def fit(self, batch: Batch, values: Values) -> None:
        """Learn from all trials so far. Raises UserError for fewer than `min_trials`."""

    def predict(self, batch: Batch) -> Prediction:
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
    value: str
    """The name, among an outcome's values, of the one that the search sees."""
    fidelities: tuple[int, ...] = ()
    """After how many epochs a candidate can be measured, ascending, the last the whole training; empty: only then."""
    continues: bool = True
    """Whether a training goes on from where it stopped; else each fidelity is a training of its own, paid for whole."""
    tells_seconds: bool = True
    """Whether outcomes tell how long the training took."""
    simulated: bool = False
    """Whether its seconds are those that measuring took elsewhere: the clock of the search is simulated then."""

    def identity(self) -> dict[str, str]:
        """What is measured and on what; results of different identities must never be mixed."""

    @property
    def deaths(self) -> int:
        """How many workers died so far; what they did was done again, or has failed."""

    def platform(self) -> dict[str, str]:
        """Where it is measured, such as the kind of device: a run can go on elsewhere, but not exactly the same."""

    def objective(self, name: str, batch: Batch) -> Values:
        """`(n,)` what is known without evaluating, such as `params`; NaN: unknown. Raises UserError for other names."""

    def evaluate(self, batch: Batch) -> Evaluation:
        """Measure architectures and wait for all. Raises UserError for one that cannot be measured."""

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Begin to measure one architecture; what goes wrong with it is told by the outcome."""

    def close(self) -> None:
        """Stop what is being measured, and give back what was taken for it."""

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[NDArray[np.float64], Values]:
        """What is seen in the first epochs: `(n, points)` of a learning curve up to there, and the seconds `(n,)`.

        The metrics are `train_loss`, `train_accuracy`, `valid_loss` and `valid_accuracy`. Raises UserError where there
        is no such curve.
        """

    def curve_epochs(self, metric: str) -> NDArray[np.int64]:
        """After which epochs a metric is seen: `(points,)` ascending, the last being that of the whole training.

        `early` sees those of them that are paid for. Raises UserError where there is no such curve.
        """

    def test(self, batch: Batch) -> Values | None:
        """`(n,)` mean test accuracy, 0..1, or None where there is none. For the report only."""

    def reference(self) -> Reference | None:
        """What is known of the whole space, or None. For the report only."""
