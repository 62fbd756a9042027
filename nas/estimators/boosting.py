"""Gradient-boosted trees on features, a strong plain baseline."""

from __future__ import annotations

from typing import Any

from nas.encoders import Encoder
from nas.errors import UserError
from nas.estimators.base import NetworkEstimator
from nas.estimators.target import RankNormal
from nas.types import Batch, Prediction, Space, Values


class GradientBoosting(NetworkEstimator):
    """LightGBM (Ke et al. 2017) on normal scores of the values.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features; their scale does not matter.
        trees: how many.
        learning_rate: share of each tree that counts, above 0.
        leaves: at most so many a tree, at least 2.
        leaf_size: known architectures a leaf needs, at least 1.
        columns: share of the features that each tree may use, above 0 and at most 1.
        seed: of the choice of columns; not the search's seed.

    Raises:
        UserError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        *,
        trees: int,
        learning_rate: float,
        leaves: int,
        leaf_size: int,
        columns: float,
        seed: int,
    ) -> None:
        for name, count, least in (("trees", trees, 1), ("leaves", leaves, 2), ("leaf_size", leaf_size, 1)):
            if count < least:
                raise UserError(f"estimator.{name} is {count}, must be at least {least}")
        for name, share in (("learning_rate", learning_rate), ("columns", columns)):
            if not 0 < share <= 1:
                raise UserError(f"estimator.{name} is {share}, must be above 0 and at most 1")
        super().__init__(space, min_trials=2)
        self.encoder = encoder
        self._options: dict[str, Any] = {
            "n_estimators": trees,
            "learning_rate": learning_rate,
            "num_leaves": leaves,
            "min_child_samples": leaf_size,
            "colsample_bytree": columns,
            "random_state": seed,
        }
        self._model: Any = None

    def prepare(self) -> None:
        """Prepare the encoder."""
        self.encoder.prepare()

    def _fit(self, batch: Batch, values: Values) -> None:
        from lightgbm import LGBMRegressor

        self._target = RankNormal(values)
        # One thread and row-wise histograms: sums in one order, so the same trees every time.
        self._model = LGBMRegressor(
            **self._options, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1, min_data_in_bin=1
        )
        self._model.fit(self._embed(self.encoder, batch), self._target.scores)

    def _predict(self, batch: Batch) -> Prediction:
        return Prediction(
            self._target.inverse(self._model.booster_.predict(self._embed(self.encoder, batch), num_threads=1))
        )
