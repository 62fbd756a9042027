"""Classifiers of images as torch modules, several copies of one network side by side where wanted.

A network of `s` copies works on `(batch, s * channels, height, width)`: copy 0's channels, then copy 1's, and so on.
All layers are grouped by copy, so that copies share nothing: training them jointly is training them apart, in fewer and
larger operations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from nas.graphs import Graphs
from nas.networks.sizes import Sizes


class Classifier(nn.Module, ABC):
    """Layers of a graph in a skeleton, global average pooling, and a dense layer.

    A subclass gives `layers`. The weights are drawn from the generators, one for each copy, so that a copy starts the
    same however many others are beside it: normal with variance 2 / fan-in for convolutions (He et al. 2015), uniform
    within +-1 / sqrt(fan-in) for the dense layer and its bias.

    Args:
        graph: one graph.
        skeleton: what surrounds the cells.
        generators: one for each copy.

    Raises:
        UserError: an operation cannot be trained.
    """

    def __init__(self, graph: Graphs, skeleton: Sizes, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        copies = len(generators)
        self.copies = copies
        self.mixed_precision = True  # on CUDA
        with torch.random.fork_rng(devices=[]):  # the layers' own initial weights are drawn, and replaced below
            self.features = nn.Sequential(*self.layers(graph, skeleton))
            self.dense = nn.Conv2d(copies * skeleton.last, copies * skeleton.classes, 1, groups=copies)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._draw(generators)

    @abstractmethod
    def layers(self, graph: Graphs, skeleton: Sizes) -> Iterator[nn.Module]:
        """From images to `skeleton.last` channels, each in `self.copies` copies."""

    @torch.no_grad()
    def _draw(self, generators: Sequence[torch.Generator]) -> None:
        for module in self.modules():
            if not isinstance(module, nn.Conv2d):
                continue
            fan_in = module.weight[0].numel()
            for part, generator in zip(module.weight.chunk(self.copies), generators, strict=True):
                if module is self.dense:
                    part.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)
                else:
                    part.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            if module.bias is not None:
                for part, generator in zip(module.bias.chunk(self.copies), generators, strict=True):
                    part.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Map images `(batch, copies * image_channels, height, width)` to scores `(batch, copies, classes)`."""
        pooled = self.features(images).mean(dim=(2, 3), keepdim=True)
        scores: Tensor = self.dense(pooled).unflatten(1, (self.copies, -1)).flatten(2)
        return scores


def total(values: list[Tensor]) -> Tensor:
    """The sum of at least one tensor."""
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result
