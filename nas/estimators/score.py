"""What is observed of a candidate as its estimate."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.errors import UserError
from nas.estimators.base import FeatureEstimator
from nas.options import validated
from nas.types import Batch, Prediction, Space, Values

_LEAST = 1e-3  # of the values' deviation: by as much a score may still count where the map has a step


@validated
class Score(FeatureEstimator):
    """One number that is observed of a candidate, such as its training loss after a few epochs.

    NaN: it could not be observed.

    Args:
        space: the search space.
        encoder: observes one number, the higher, the better.
        unit: of the estimates. `own`: the number as it is, of which only the order counts; no trial is needed. `value`:
            that of the known values, to which isotonic regression maps the number, at least 2 trials being known. The
            order of the numbers stays: on the steps of the map they still count a little, by at most a thousandth of
            the values' deviation. What is observed of known networks is paid for, too.

    Raises:
        UserError: from `predict`, and for `unit=value` from `fit`, the encoder observes several numbers.
    """

    def __init__(self, space: Space, encoder: Encoder, *, unit: Literal["own", "value"] = "own") -> None:
        super().__init__(space, encoder, min_trials=2 if unit == "value" else 0)
        self.unit = unit
        self._map: Any = None

    def _fit(self, batch: Batch, values: Values) -> None:
        if self.unit == "value":
            super()._fit(batch, values)

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        from sklearn.isotonic import IsotonicRegression

        scores = _single(features)
        self._map = IsotonicRegression(out_of_bounds="clip").fit(scores, values)
        self._middle, self._width = scores.mean(), scores.std() or 1.0
        self._least = _LEAST * (values.std() or 1.0)

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        scores = _single(features)
        if self._map is None:
            return Prediction(scores)
        distance = (scores - self._middle) / self._width
        return Prediction(self._map.predict(scores) + self._least * distance / (1 + np.abs(distance)))


def _single(features: NDArray[np.float32]) -> Values:
    if features.shape[1] != 1:
        raise UserError(f"a score is one number, but the encoder observes {features.shape[1]}")
    return features[:, 0].astype(np.float64)
