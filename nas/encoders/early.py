"""What is seen of a candidate in the first epochs of its training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from time import thread_time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.encoders.growth import least_squares, posterior_mean
from nas.encoders.observed import Observed
from nas.errors import OptionError, UserError
from nas.options import Natural, PositiveInt, validated
from nas.types import Batch, Evaluator, Features, Space

Metric = Literal[
    "train_loss", "train_accuracy", "valid_loss", "valid_accuracy",
    "fresh_accuracy", "fresh_loss", "consensus_accuracy", "consensus_loss",
]  # fmt: skip
Summary = Literal["last", "sum", "curve", "moments"]
Method = Literal["least_squares", "posterior"]
_FEWEST = 3  # points of a curve that has a shape
_LOSSES = ("train_loss", "valid_loss", "fresh_loss", "consensus_loss")
_BEST_FIRST: tuple[Metric, ...] = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
"""By Kendall's tau at the same price: see docs/estimators.md, the study and the partial curves."""


@validated
class EarlyCurve(Observed):
    """The learning curve of the first epochs, at the price of these epochs; a loss with its sign turned.

    Args:
        space: the search space.
        evaluator: knows the curves, or trains; its `early` is asked.
        metric: what is seen after each epoch; `auto`: the training loss, which ranks best, or what there is instead
            (training accuracy, validation loss, validation accuracy). Of what is really trained also that of a history
            of soft-max outputs: `fresh_accuracy`, `fresh_loss`, `consensus_accuracy`, `consensus_loss` (see
            `nas.training.History`).
        epochs: how many are paid for, at least 1.
        summary: `last` (the last epoch's; of the training loss that is SoTL-E, Ru et al. 2021), `sum` (over the
            epochs: SoTL), `curve` (each epoch's), or `moments` (mean and deviation of the curve, of its first and of
            its second differences: Baker et al. 2017).

    Raises:
        UserError: the evaluator knows no such curve, or none of so many epochs.
    """

    source = "learning curve"
    measured, partial = False, True

    def __init__(
        self,
        space: Space,
        evaluator: Evaluator,
        *,
        metric: Metric | Literal["auto"] = "auto",
        epochs: PositiveInt = 4,
        summary: Summary = "last",
    ) -> None:
        super().__init__()
        self.space, self.evaluator = space, evaluator
        self.metric = _best(evaluator) if metric == "auto" else metric
        self.epochs, self.summary = epochs, summary
        if summary == "moments":  # two differences, and so three points
            _points(evaluator, self.metric, epochs)
        nothing = space.batch(np.empty((0, len(space.cardinalities)), dtype=np.uint8))
        evaluator.early(nothing, self.metric, epochs)  # refuses what it does not know, before anything is spent

    def observe(self, batch: Batch) -> Features:
        """`(n, d)`: the summary of each curve, NaN where the training failed; and the seconds of its epochs."""
        curves, seconds = self.evaluator.early(batch, self.metric, self.epochs)
        curves = -curves if self.metric in _LOSSES else curves
        return Features(SUMMARIES[self.summary](curves).astype(np.float32), seconds)

    def identity(self) -> str:
        """Say what is seen, of how many epochs, and of which evaluator."""
        what = fingerprint(self, self.space, self.metric, self.epochs, self.summary, self.evaluator.identity())
        return f"{self.metric} {self.epochs} {what or NO_FILE}"


def _points(evaluator: Evaluator, metric: str, epochs: int) -> NDArray[np.float64]:
    """The points of a curve up to the epochs that are paid for. Raises OptionError where they are too few."""
    known = evaluator.curve_epochs(metric)
    points = known[known <= epochs]
    if len(points) < _FEWEST:
        there = ", ".join(map(str, known.tolist()))
        text = f"is {epochs}, must be the third or a later point of a learning curve, which has them at {there}"
        raise OptionError("epochs", text)
    return points.astype(np.float64)


def _best(evaluator: Evaluator) -> Metric:
    """The metric to look at, of those that the evaluator knows; the validation accuracy where it knows none."""
    for metric in _BEST_FIRST:
        with suppress(UserError):
            evaluator.curve_epochs(metric)
            return metric
    return "valid_accuracy"


def _moments(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = [np.diff(curves, order, axis=1) for order in range(3)]
    return np.column_stack([moment for part in differences for moment in (part.mean(axis=1), part.std(axis=1))])


SUMMARIES: dict[Summary, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "last": lambda curves: curves[:, -1:],
    "sum": lambda curves: curves.sum(axis=1, keepdims=True),
    "curve": lambda curves: curves,
    "moments": _moments,
}


@validated
class Extrapolated(Observed):
    """The accuracy at the end of the whole training, as the learning curve of its first epochs tells it.

    The price is that of these epochs, in the evaluator's seconds, and the CPU seconds that the extrapolation takes
    here. See `nas.encoders.growth`.

    Args:
        space: the search space.
        evaluator: knows the curves, or trains; and after which epochs there are points, and how many are the whole.
        metric: what is seen after each epoch.
        epochs: how many are paid for; there must be three points up to then.
        method: `least_squares` (the mean of the four families' best fits; LCE in White et al. 2021 goes on with a
            short Metropolis chain from them) or `posterior` (the mean of Domhan et al. 2015: LCE-m).
        samples: of each walker of the posterior, at least 1.
        seed: of the posterior's samples, 0 or more; not the search's seed. Each network has numbers of its own.

    Raises:
        UserError: the evaluator knows no such curve, or fewer points of it.
    """

    source = "learning curve"
    measured, partial = False, True

    def __init__(
        self,
        space: Space,
        evaluator: Evaluator,
        *,
        metric: Literal["train_accuracy", "valid_accuracy"] = "valid_accuracy",
        epochs: PositiveInt = 4,
        method: Method = "least_squares",
        samples: PositiveInt = 800,
        seed: Natural = 0,
    ) -> None:
        super().__init__()
        self.space, self.evaluator = space, evaluator
        self.metric, self.epochs, self.method, self.samples, self.seed = metric, epochs, method, samples, seed
        self._points, self._final = _points(evaluator, metric, epochs), float(evaluator.curve_epochs(metric)[-1])

    def observe(self, batch: Batch) -> Features:
        """`(n, 1)`: the accuracies, NaN where the training failed; a few may be out of 0..1. And the seconds."""
        curves, seconds = self.evaluator.early(batch, self.metric, self.epochs)
        ends, spent = np.full((len(batch), 1), np.nan, dtype=np.float32), np.zeros(len(batch))
        for row in np.flatnonzero(~np.isnan(curves).any(axis=1)):
            start = thread_time()
            ends[row] = self._end(curves[row], int(batch.keys[row]))
            spent[row] = thread_time() - start
        return Features(ends, seconds + spent)

    def _end(self, curve: NDArray[np.float64], key: int) -> float:
        if self.method == "least_squares":
            return least_squares(self._points, curve, self._final)
        seed = np.random.SeedSequence([self.seed, key]).generate_state(1)
        return posterior_mean(self._points, curve, self._final, self.samples, int(seed[0]))

    def identity(self) -> str:
        """Say what is extrapolated, how, and of which evaluator."""
        settings = (self.metric, self.epochs, self.method, self.samples, self.seed)
        versions = version("scipy"), version("emcee")
        what = fingerprint(self, self.space, settings, versions, self.evaluator.identity())
        return f"{self.metric} {self.epochs} {self.method} {what or NO_FILE}"
