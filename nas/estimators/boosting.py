"""Gradient-boosted trees on features, a strong plain baseline."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.estimators.base import FeatureEstimator
from nas.estimators.target import RankNormal
from nas.options import Natural, PositiveInt, Share, validated
from nas.types import Prediction, Space, Values


@validated
class GradientBoosting(FeatureEstimator):
    """LightGBM (Ke et al. 2017) on normal scores of the values.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features; their scale does not matter.
        trees: how many, at least 1.
        learning_rate: share of each tree that counts, above 0 and at most 1.
        leaves: at most so many a tree, at least 2.
        leaf_size: known architectures a leaf needs, at least 1.
        columns: share of the features that each tree may use, above 0 and at most 1.
        seed: of the choice of columns, 0 or more; not the search's seed.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        *,
        trees: PositiveInt = 300,
        learning_rate: Share = 0.05,
        leaves: Annotated[int, Ge(2)] = 15,
        leaf_size: PositiveInt = 5,
        columns: Share = 0.3,
        seed: Natural = 0,
    ) -> None:
        super().__init__(space, encoder)
        self._options: dict[str, Any] = {
            "n_estimators": trees,
            "learning_rate": learning_rate,
            "num_leaves": leaves,
            "min_child_samples": leaf_size,
            "colsample_bytree": columns,
            "random_state": seed,
        }
        self._model: Any = None

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        from lightgbm import LGBMRegressor

        self._target = RankNormal(values)
        # One thread and row-wise histograms: sums in one order, so the same trees every time.
        self._model = LGBMRegressor(
            **self._options, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1, min_data_in_bin=1
        )
        self._model.fit(features, self._target.scores)

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        return Prediction(self._target.inverse(self._model.booster_.predict(features, num_threads=1)))
