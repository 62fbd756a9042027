"""No estimator."""

from __future__ import annotations

import math

import numpy as np

from nas.types import Batch, Prediction, Space, Values


class NoEstimator:
    """Makes no estimate (every mean is NaN), so that candidates are evaluated in the strategy's own order.

    Args:
        space: the search space; not used.
    """

    min_trials = 0
    gives_std = False
    values_in = (-math.inf, math.inf)

    def __init__(self, space: Space) -> None:
        pass

    def prepare(self) -> None:
        """Do nothing."""

    def identity(self) -> str:
        """There is no encoder."""
        return ""

    def fit(self, batch: Batch, values: Values) -> None:
        """Learn nothing."""

    def predict(self, batch: Batch) -> Prediction:
        """Return NaN for every architecture."""
        return Prediction(mean=np.full(len(batch), np.nan))
