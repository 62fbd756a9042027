"""Any regressor on the features of an encoder."""

from __future__ import annotations

import inspect
import warnings
from copy import deepcopy
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.estimators.base import FeatureEstimator
from nas.estimators.target import TARGETS
from nas.options import validated
from nas.types import Prediction, Space, Values


class Regressor(Protocol):
    """What scikit-learn calls a regressor; `predict(x, return_std=True)` where it knows how sure it is."""

    def fit(self, x: NDArray[Any], y: Values, /) -> Any:
        """Learn from features `(n, columns)` and targets `(n,)`."""

    def predict(self, x: NDArray[Any], /) -> Any:
        """Estimate `(n,)` targets."""


@validated
class Regression(FeatureEstimator):
    """A regressor, such as one of scikit-learn's, on the features of an encoder.

    It is trained anew at each fit, on targets of mean 0 and deviation 1, and its estimates are mapped back.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features.
        regressor: learns the target. If its `predict` has `return_std`, predictions have standard deviations, unless
            its own `gives_std` says otherwise.
        target: `standard` (the value less the mean, by the deviation) or `normal` (the normal score of the value's
            rank, which no unit and no outlier distorts).
    """

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        regressor: Regressor,
        *,
        target: Literal["standard", "normal"] = "standard",
    ) -> None:
        super().__init__(space, encoder)
        self.regressor = regressor
        known = "return_std" in inspect.signature(regressor.predict).parameters
        self.gives_std = getattr(regressor, "gives_std", known)
        self._kind = TARGETS[target]
        self._model: Any = None

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        from sklearn.exceptions import ConvergenceWarning

        self._target = self._kind(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a number at its bound is no news in a search
            self._model = deepcopy(self.regressor).fit(features, self._target.scores)

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        if not self.gives_std:
            return Prediction(self._target.inverse(np.asarray(self._model.predict(features), dtype=np.float64)))
        mean, std = (np.asarray(part, dtype=np.float64) for part in self._model.predict(features, return_std=True))
        return Prediction(self._target.inverse(mean), self._target.spread(mean, std))
