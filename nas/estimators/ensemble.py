"""An ensemble of perceptrons, the estimator of BANANAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas._threads import one_thread
from nas.encoders import Encoder
from nas.estimators.base import FeatureEstimator
from nas.estimators.target import RankNormal
from nas.options import Natural, Positive, PositiveInt, validated
from nas.types import Prediction, Space, Values

if TYPE_CHECKING:
    from nas.estimators.networks import EnsembleMLP


@validated
class MLPEnsemble(FeatureEstimator):
    """Mean and standard deviation of perceptrons that differ by their random numbers.

    With the path encoding the estimator of BANANAS (White, Neiswanger and Savani 2021, section 4): trained anew at each
    fit by Adam on the mean absolute error. Unlike there, of normal scores of the values, which no unit and no failed
    architecture distorts, and all networks at once.

    Args:
        space: the search space.
        encoder: maps architectures of the space to features.
        networks: in the ensemble, at least 1; with 1 there are no standard deviations.
        layers: hidden layers of each, at least 1.
        width: of each hidden layer, at least 1.
        epochs: passes over the known architectures, at least 1.
        batch: architectures per step, at least 1.
        learning_rate: of Adam, above 0.
        seed: of initial weights and of batches, 0 or more; each number of known architectures gets numbers of its own.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        *,
        networks: PositiveInt = 5,
        layers: PositiveInt = 10,
        width: PositiveInt = 20,
        epochs: PositiveInt = 150,
        batch: PositiveInt = 32,
        learning_rate: Positive = 0.01,
        seed: Natural = 0,
    ) -> None:
        super().__init__(space, encoder)
        self.gives_std = networks > 1
        self.networks, self.layers, self.width = networks, layers, width
        self.epochs, self.batch, self.learning_rate, self.seed = epochs, batch, learning_rate, seed
        self._network: EnsembleMLP | None = None

    def _learn(self, features: NDArray[np.float32], values: Values) -> None:
        import torch

        from nas.estimators.networks import EnsembleMLP
        from nas.regressors.training import generator

        self._target = RankNormal(values)
        inputs = torch.from_numpy(features)
        targets = torch.from_numpy(self._target.scores).float()
        random = generator(self.seed, len(values))
        network = EnsembleMLP(self.networks, inputs.shape[1], self.layers, self.width, random)
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate, (0.9, 0.99), 1e-7, fused=True)
        with one_thread():
            for _ in range(self.epochs):
                orders = torch.rand(self.networks, len(values), generator=random).argsort(dim=1)
                for rows in torch.split(orders, self.batch, dim=1):
                    loss = (network(inputs[rows]) - targets[rows]).abs().mean(dim=1).sum()
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
        self._network = network.eval().requires_grad_(False)

    def _estimate(self, features: NDArray[np.float32]) -> Prediction:
        import torch

        assert self._network is not None
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(features).expand(self.networks, -1, -1)).double().numpy()
        estimates = self._target.inverse(outputs)
        return Prediction(estimates.mean(axis=0), estimates.std(axis=0) if self.gives_std else None)
