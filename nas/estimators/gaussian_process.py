"""A Gaussian process on features, a strong plain baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.encoders import Encoder
from nas.estimators.base import FeatureEstimator
from nas.estimators.target import RankNormal
from nas.options import NonNegative, Positive, validated
from nas.types import Batch, Prediction, Space, Values


@validated
class GaussianProcess(FeatureEstimator):
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
        super().__init__(space, encoder)
        self.length, self.linear, self.noise = length, linear, noise
        self._model: Any = None

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

        kernel = Matern(self.length, nu=1.5)
        if self.linear:
            kernel = kernel + ConstantKernel(self.linear) * DotProduct(sigma_0=0.1)
        self._target = RankNormal(values)
        self._model = GaussianProcessRegressor(kernel, alpha=self.noise, optimizer=None)
        self._model.fit(_scaled(features), self._target.scores)

    def posterior(self, batch: Batch) -> Prediction:
        """Estimate values without their noise; the deviations are those of `predict`, which hold it."""
        return self.predict(batch)

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        mean, std = self._model.predict(_scaled(features), return_std=True)
        std = np.sqrt(std**2 + self.noise)
        return Prediction(self._target.inverse(mean), self._target.spread(mean, std))


def _scaled(features: NDArray[np.float32]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = features.astype(np.float64) / np.sqrt(features.shape[1])
    return scaled
