"""How good predictions are, as one number: more is better."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import Target
from nas.errors import OptionError

Measure = Literal["accuracy", "balanced_accuracy", "macro_f1", "r2"]
_OF: dict[Target, tuple[Measure, ...]] = {"class": ("accuracy", "balanced_accuracy", "macro_f1"), "value": ("r2",)}


def measure_of(target: Target, measure: Measure | None) -> Measure:
    """The measure that was asked for; None: the first that fits the target.

    Raises:
        OptionError: it does not fit.
    """
    if measure is not None and measure not in _OF[target]:
        told = f"is {measure}, but the target is a {target}: must be {' or '.join(_OF[target])}"
        raise OptionError("measure", told)
    return measure or _OF[target][0]


def measured(measure: Measure, predicted: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Compare predictions with what is right; all but `r2`, which is at most 1, are 0..1.

    Args:
        measure: `accuracy`; `balanced_accuracy`: the mean of the classes' shares of correct images; `macro_f1`: the
            mean of the classes' harmonic means of precision and recall, 0 for one that is never predicted; `r2`: the
            share of the variance that is explained.
        predicted: `(n, copies)` classes or values; where any is not finite, the copy's number is NaN.
        labels: `(n,)` classes or values.

    Returns:
        `(copies,)`; NaN without images.
    """
    if not len(labels):
        return np.full(predicted.shape[1], np.nan)
    if measure == "accuracy":
        share: NDArray[np.float64] = (predicted == labels[:, None]).mean(axis=0)
        return share
    from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score

    score: Any = {"balanced_accuracy": balanced_accuracy_score, "macro_f1": f1_score, "r2": r2_score}[measure]
    options: dict[str, Any] = {"average": "macro", "zero_division": 0.0} if measure == "macro_f1" else {}
    return np.array(
        [score(labels, copy, **options) if np.isfinite(copy).all() else np.nan for copy in predicted.T],
        dtype=np.float64,
    )
