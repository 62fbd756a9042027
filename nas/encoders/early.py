"""What is seen of a candidate in the first epochs of its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.encoders.observed import Observed
from nas.errors import OptionError
from nas.options import PositiveInt, validated
from nas.types import Batch, Evaluator, Features, Space

Metric = Literal["train_loss", "train_accuracy", "valid_loss", "valid_accuracy"]
Summary = Literal["last", "sum", "curve", "moments"]
_LOSSES = ("train_loss", "valid_loss")


@validated
class EarlyCurve(Observed):
    """The learning curve of the first epochs, at the price of these epochs; a loss with its sign turned.

    Args:
        space: the search space.
        evaluator: knows the curves, or trains; its `early` is asked.
        metric: what is seen after each epoch.
        epochs: how many are paid for, at least 1.
        summary: `last` (the last epoch's; of the training loss that is SoTL-E, Ru et al. 2021), `sum` (over the
            epochs: SoTL), `curve` (each epoch's), or `moments` (mean and deviation of the curve, of its first and of
            its second differences: Baker et al. 2017).

    Raises:
        UserError: the evaluator knows no such curve, or none of so many epochs.
    """

    def __init__(
        self,
        space: Space,
        evaluator: Evaluator,
        *,
        metric: Metric = "valid_accuracy",
        epochs: PositiveInt = 4,
        summary: Summary = "last",
    ) -> None:
        super().__init__()
        self.space, self.evaluator = space, evaluator
        self.metric, self.epochs, self.summary = metric, epochs, summary
        if summary == "moments" and epochs < 3:
            raise OptionError("epochs", f"is {epochs}, must be at least 3 for summary=moments")
        nothing = space.batch(np.empty((0, len(space.cardinalities)), dtype=np.uint8))
        evaluator.early(nothing, metric, epochs)  # refuses what it does not know, before anything is spent

    def observe(self, batch: Batch) -> Features:
        """`(n, d)`: the summary of each curve, NaN where the training failed; and the seconds of its epochs."""
        curves, seconds = self.evaluator.early(batch, self.metric, self.epochs)
        curves = -curves if self.metric in _LOSSES else curves
        return Features(_SUMMARIES[self.summary](curves).astype(np.float32), seconds)

    def identity(self) -> str:
        """Say what is seen, of how many epochs, and of which evaluator."""
        what = fingerprint(self, self.space, self.metric, self.epochs, self.summary, self.evaluator.identity())
        return f"{self.metric} {self.epochs} {what or NO_FILE}"


def _moments(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = [np.diff(curves, order, axis=1) for order in range(3)]
    return np.column_stack([moment for part in differences for moment in (part.mean(axis=1), part.std(axis=1))])


_SUMMARIES: dict[Summary, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "last": lambda curves: curves[:, -1:],
    "sum": lambda curves: curves.sum(axis=1, keepdims=True),
    "curve": lambda curves: curves,
    "moments": _moments,
}
