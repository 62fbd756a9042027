"""A Gaussian process on features, a strong plain baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from nas.encoders import Encoder
from nas.estimators.base import NetworkEstimator
from nas.estimators.target import RankNormal
from nas.options import NonNegative, Positive, validated
from nas.types import Batch, Prediction, Space, Values

_BATCH = 1 << 12  # queries at once, so that memory stays small


@validated
class GaussianProcess(NetworkEstimator):
    """Gaussian process of normal scores of the values, covariance Matern 3/2 plus linear, hyper-parameters fixed.

    Distances and products are divided by the number of features. The standard deviation includes the noise: it is that
    of a value not seen yet.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features of about unit deviation.
        length: length scale of the Matern part, above 0.
        linear: variance of the linear part, at least 0, the Matern part's being 1.
        noise: variance of the noise, above 0.

    Raises:
        OptionError: a number is out of its range.
    """

    gives_std = True

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        length: Positive = 1.5,
        linear: NonNegative = 0.5,
        noise: Positive = 0.05,
    ) -> None:
        super().__init__(space, min_trials=2)
        self.encoder = encoder
        self.length, self.linear, self.noise = length, linear, noise
        self._model: Any = None

    def _features(self, batch: Batch) -> Any:
        embedded = self._embed(self.encoder, batch).astype(np.float64)
        return embedded / np.sqrt(embedded.shape[1])

    def _fit(self, batch: Batch, values: Values) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

        kernel = Matern(self.length, nu=1.5)
        if self.linear:
            kernel = kernel + ConstantKernel(self.linear) * DotProduct(sigma_0=0.1)
        self._target = RankNormal(values)
        self._model = GaussianProcessRegressor(kernel, alpha=self.noise, optimizer=None)
        self._model.fit(self._features(batch), self._target.scores)

    def _predict(self, batch: Batch) -> Prediction:
        batches = batch.split(_BATCH)
        parts = [self._model.predict(self._features(part), return_std=True) for part in batches]
        mean, std = (np.concatenate(column) for column in zip(*parts, strict=True))
        std = np.sqrt(std**2 + self.noise)
        return Prediction(self._target.inverse(mean), self._target.spread(mean, std))
