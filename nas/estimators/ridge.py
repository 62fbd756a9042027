"""Ridge regression, the plain baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders.features import check_encodable
from nas.errors import UserError
from nas.estimators.base import NetworkEstimator
from nas.options import Positive, validated
from nas.types import Batch, Prediction, Space, Values

_MOST = 1 - 1e-4  # an accuracy of 1 would have an infinite logarithm


@validated
class Ridge(NetworkEstimator):
    """Ridge regression of -log(1 - accuracy) on path and one-hot encodings.

    Args:
        space: the search space.
        alpha: strength of the penalty, above 0.

    Raises:
        UserError: `alpha` is not above 0, or the space cannot be encoded; from `fit`, a value is not an accuracy in
            0..1.
    """

    values_in = (0.0, 1.0)

    def __init__(self, space: Space, alpha: Positive = 10.0) -> None:
        super().__init__(space, min_trials=2)
        check_encodable(space, self._features)
        self.alpha = alpha
        self._model: Any = None

    def _features(self, batch: Batch) -> NDArray[np.float32]:
        return np.concatenate([batch.graphs.paths(), batch.one_hot()], axis=1, dtype=np.float32)

    def _fit(self, batch: Batch, values: Values) -> None:
        from sklearn.linear_model import Ridge as RidgeRegression

        for value in values[(values < 0) | (values > 1)][:1]:
            raise UserError(f"estimator=ridge needs accuracies in 0..1, got {value}: use another estimator")
        self._model = RidgeRegression(alpha=self.alpha).fit(
            self._features(batch), -np.log1p(-np.minimum(values, _MOST))
        )

    def _predict(self, batch: Batch) -> Prediction:
        return Prediction(mean=-np.expm1(-self._model.predict(self._features(batch)).astype(np.float64)))
