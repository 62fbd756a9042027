"""The networks of estimators that regress values on architectures, as torch modules."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, relu


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


class DirectedGCN(nn.Module):
    """The graph network of Neural Predictor (Wen et al. 2020): messages follow the edges, and run against them.

    Four convolutions, each the mean of the two directions, rectified, with dropout of 0.1, and weights drawn as by
    Glorot and Bengio (2010); the mean over vertices; one hidden layer of 128.

    Args:
        labels: number of distinct vertex labels.
        width: of the convolutions.
    """

    def __init__(self, labels: int, width: int) -> None:
        super().__init__()
        self.labels = labels
        sizes = [labels, width, width, width, width]
        self.onward, self.back = (
            nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in itertools.pairwise(sizes)) for _ in range(2)
        )
        self.head = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 1))
        for layer in (*self.onward, *self.back):  # by PyTorch's own rule they shrink what passes, and units die
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, adjacency: Tensor, labels: Tensor) -> Tensor:
        """Map edges `(n, v, v)` float and one-hot labels `(n, v, labels)` to `(n,)`."""
        loops = adjacency + torch.eye(adjacency.shape[1])
        collect, spread = (way / way.sum(dim=2, keepdim=True) for way in (loops.transpose(1, 2), loops))
        there = 1 - labels[:, :, :1]  # label 0 is that of absent vertices
        states = labels
        for onward, back in zip(self.onward, self.back, strict=True):
            states = (relu(collect @ onward(states)) + relu(spread @ back(states))) / 2
            states = dropout(states, 0.1, self.training) * there
        return self.head(states.sum(dim=1) / there.sum(dim=1))[:, 0]  # type: ignore[no-any-return]


class GlobalGCN(nn.Module):
    """The graph network of BONAS (Shi et al. 2020): a further vertex hears all others, and tells the value.

    Four convolutions against the edges, batch-normalised and rectified.

    Args:
        labels: number of distinct vertex labels.
        width: of the convolutions.
    """

    def __init__(self, labels: int, width: int) -> None:
        super().__init__()
        self.labels = labels
        self.convolutions = nn.ModuleList(nn.Linear(inputs, width) for inputs in (labels + 1, width, width, width))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.convolutions)
        self.last = nn.Linear(width, 1)

    def forward(self, adjacency: Tensor, labels: Tensor) -> Tensor:
        """Map edges `(n, v, v)` float and one-hot labels `(n, v, labels)` to `(n,)`."""
        n, v, _ = adjacency.shape
        collect = torch.eye(v + 1).repeat(n, 1, 1)
        collect[:, :v, :v] += adjacency.transpose(1, 2)
        collect[:, v, :v] = 1 - labels[:, :, 0]  # label 0 is that of absent vertices
        collect = collect / collect.sum(dim=2, keepdim=True)
        states = torch.zeros(n, v + 1, self.labels + 1)
        states[:, :v, :-1], states[:, v, -1] = labels, 1
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            states = collect @ convolution(states)
            states = relu(norm(states.flatten(0, 1)).view_as(states))
        return self.last(states[:, v])[:, 0]  # type: ignore[no-any-return]
