"""Graph networks, the estimators of NPENAS, Neural Predictor and BONAS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from nas.estimators.base import NetworkEstimator
from nas.estimators.target import RankNormal
from nas.graphs import FIRST_OPERATION
from nas.options import Natural, NonNegative, Positive, PositiveInt, validated
from nas.types import Batch, Prediction, Space, Values

if TYPE_CHECKING:
    from torch import Tensor, nn

_PART = 4096  # architectures estimated at once


@validated
class GraphNetwork(NetworkEstimator):
    """A network on graphs: by default the predictor of NPENAS-NP (Wei et al. 2022, section 3.3).

    Trained anew at each fit by Adam, whose rate falls to 0 as a cosine, on the mean squared error. Unlike there, of the
    share of known values that are lower, which is in 0..1 as the network's output is, whatever the unit.

    Args:
        space: the search space.
        network: `isomorphism` (NPENAS), `directed` (Neural Predictor, Wen et al. 2020) or `global` (BONAS, Shi et al.
            2020); see `nas.estimators.networks`.
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
        network: Literal["isomorphism", "directed", "global"] = "isomorphism",
        width: Annotated[int, Ge(2)] = 32,
        epochs: PositiveInt = 300,
        batch: PositiveInt = 16,
        learning_rate: Positive = 0.005,
        weight_decay: NonNegative = 0.0001,
        seed: Natural = 0,
    ) -> None:
        super().__init__(space, min_trials=2)
        self.network, self.width, self.epochs, self.batch = network, width, epochs, batch
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed
        self._network: nn.Module | None = None

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Edges `(n, v, v)` and one-hot labels `(n, v, labels)`."""
        import torch

        graphs = batch.graphs
        labels = graphs.labels[..., None] == np.arange(FIRST_OPERATION + len(graphs.operations))
        return torch.from_numpy(graphs.adjacency).float(), torch.from_numpy(labels).float()

    def _fit(self, batch: Batch, values: Values) -> None:
        from scipy.special import ndtr
        from torch.nn.functional import mse_loss

        from nas.estimators import networks
        from nas.regressors.training import Training

        kinds = {
            "isomorphism": networks.GraphIsomorphismNetwork,
            "directed": networks.DirectedGCN,
            "global": networks.GlobalGCN,
        }
        self._target = RankNormal(values)
        edges, labels = self._tensors(batch)
        training = Training(self.epochs, self.batch, self.learning_rate, self.weight_decay, cosine=True)
        self._network = training.fit(
            lambda: kinds[self.network](labels.shape[2], self.width),
            [edges, labels],
            ndtr(self._target.scores),
            lambda outputs, targets: mse_loss(outputs.sigmoid(), targets),
            self.seed,
        )

    def _predict(self, batch: Batch) -> Prediction:
        import torch
        from scipy.special import log_expit, ndtri_exp

        assert self._network is not None
        with torch.inference_mode():
            parts = [self._network(*self._tensors(part)).double().numpy() for part in batch.split(_PART)]
        return Prediction(self._target.inverse(ndtri_exp(log_expit(np.concatenate(parts)))))
