"""The networks of estimators that regress values on architectures, as torch modules."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, relu


def generator(seed: int, n: int) -> torch.Generator:
    """Random numbers of a training on `n` architectures: a function of both."""
    state = np.random.SeedSequence([seed, n]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


class EnsembleMLP(nn.Module):
    """Perceptrons of equal shape, rectified, side by side in batched matrix products.

    Weights start as Glorot and Bengio (2010) draw them, uniform; biases at zero.

    Args:
        networks: how many.
        columns: width of the input.
        layers: hidden layers, at least 1.
        width: of each hidden layer.
        generator: draws the weights.
    """

    def __init__(self, networks: int, columns: int, layers: int, width: int, generator: torch.Generator) -> None:
        super().__init__()

        def glorot(*shape: int) -> nn.Parameter:
            bound = (6 / (shape[-2] + shape[-1])) ** 0.5
            return nn.Parameter((2 * torch.rand(*shape, generator=generator) - 1) * bound)

        self.first = glorot(networks, columns, width)
        self.hidden = glorot(layers - 1, networks, width, width)
        self.last = glorot(networks, width, 1)
        self.biases = nn.Parameter(torch.zeros(layers, networks, 1, width))
        self.offset = nn.Parameter(torch.zeros(networks, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map `(networks, n, columns)` to `(networks, n)`."""
        biases = self.biases.unbind()
        states = relu(torch.baddbmm(biases[0], inputs, self.first))
        for weights, bias in zip(self.hidden.unbind(), biases[1:], strict=True):
            states = relu(torch.baddbmm(bias, states, weights))
        return torch.baddbmm(self.offset, states, self.last)[:, :, 0]


class GraphIsomorphismNetwork(nn.Module):
    """Graph isomorphism network (Xu et al. 2019) as in NPENAS (Wei et al. 2022): messages follow the edges.

    Three convolutions, each a perceptron of one hidden layer on the sum of a vertex and its predecessors, rectified and
    batch-normalised; the mean over vertices, absent ones too; one hidden layer with dropout of 0.1.

    Args:
        labels: number of distinct vertex labels.
        width: of the convolutions; the last hidden layer has half of it.
    """

    def __init__(self, labels: int, width: int) -> None:
        super().__init__()
        self.labels = labels
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for inputs in (labels, width, width)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.perceptrons)
        self.hidden = nn.Linear(width, width // 2)
        self.last = nn.Linear(width // 2, 1)

    def forward(self, adjacency: Tensor, labels: Tensor) -> Tensor:
        """Map edges `(n, v, v)` float and one-hot labels `(n, v, labels)` to `(n,)`."""
        collect = adjacency.transpose(1, 2) + torch.eye(adjacency.shape[1])
        states = labels
        for perceptron, norm in zip(self.perceptrons, self.norms, strict=True):
            states = perceptron(collect @ states)
            states = norm(states.flatten(0, 1)).view_as(states)
        hidden = dropout(relu(self.hidden(states.mean(dim=1))), 0.1, self.training)
        return self.last(hidden)[:, 0]  # type: ignore[no-any-return]
