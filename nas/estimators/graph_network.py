"""A graph network, the estimator of NPENAS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from nas._threads import one_thread
from nas.estimators.base import NetworkEstimator
from nas.estimators.target import RankNormal
from nas.graphs import FIRST_OPERATION
from nas.options import Natural, NonNegative, Positive, PositiveInt, validated
from nas.types import Batch, Prediction, Space, Values

if TYPE_CHECKING:
    from torch import Tensor

    from nas.estimators.networks import GraphIsomorphismNetwork

_PART = 4096  # architectures estimated at once


@validated
class GraphNetwork(NetworkEstimator):
    """Graph isomorphism network, the predictor of NPENAS-NP (Wei et al. 2022, section 3.3).

    Trained anew at each fit by Adam, whose rate falls to 0 as a cosine, on the mean squared error. Unlike there, of the
    share of known values that are lower, which is in 0..1 as the network's output is, whatever the unit.

    Args:
        space: the search space.
        width: of the graph convolutions, at least 2.
        epochs: passes over the known architectures, at least 1.
        batch: architectures per step, at least 1.
        learning_rate: of Adam at the start, above 0.
        weight_decay: of Adam, at least 0.
        seed: of initial weights, batches and dropout, 0 or more; each number of known architectures gets numbers of its
            own.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        *,
        width: Annotated[int, Ge(2)] = 32,
        epochs: PositiveInt = 300,
        batch: PositiveInt = 16,
        learning_rate: Positive = 0.005,
        weight_decay: NonNegative = 0.0001,
        seed: Natural = 0,
    ) -> None:
        super().__init__(space, min_trials=2)
        self.width, self.epochs, self.batch = width, epochs, batch
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed
        self._network: GraphIsomorphismNetwork | None = None

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Edges `(n, v, v)` and one-hot labels `(n, v, labels)`."""
        import torch

        graphs = batch.graphs
        labels = graphs.labels[..., None] == np.arange(FIRST_OPERATION + len(graphs.operations))
        return torch.from_numpy(graphs.adjacency).float(), torch.from_numpy(labels).float()

    def _fit(self, batch: Batch, values: Values) -> None:
        import torch
        from scipy.special import ndtr

        from nas.estimators.networks import GraphIsomorphismNetwork, generator

        self._target = RankNormal(values)
        edges, labels = self._tensors(batch)
        targets = torch.from_numpy(ndtr(self._target.scores)).float()
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.set_rng_state(generator(self.seed, len(values)).get_state())  # weights, batches and dropout
            network = GraphIsomorphismNetwork(labels.shape[2], self.width)
            optimiser = torch.optim.Adam(
                network.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True
            )
            steps = self.epochs * -(-len(values) // self.batch)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
            for _ in range(self.epochs):
                for rows in torch.split(torch.randperm(len(values)), self.batch):
                    loss = (network(edges[rows], labels[rows]).sigmoid() - targets[rows]).square().mean()
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                    schedule.step()
        self._network = network.eval().requires_grad_(False)

    def _predict(self, batch: Batch) -> Prediction:
        import torch
        from scipy.special import log_expit, ndtri_exp

        assert self._network is not None
        with torch.inference_mode():
            parts = [self._network(*self._tensors(part)).double().numpy() for part in batch.split(_PART)]
        return Prediction(self._target.inverse(ndtri_exp(log_expit(np.concatenate(parts)))))
