"""The smallest network that can be trained, softmax regression on pixels, and its training by hand in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from cells import graph
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.datasets import Images
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.networks.classifier import Classifier
from nas.training import Recipe, State
from nas.training.augmentation import Changes

GRAPH = graph([(0, 1), (1, 2)], 0)
SHAPE = (2, 3, 2)  # channels, height, width of an image
PIXELS = 12
CLASSES = 3

Hook = Callable[[nn.Module], None]


class Flat(nn.Module):
    """Every pixel becomes a channel; `hook` is called with this module before each forward pass."""

    def __init__(self, hook: Hook) -> None:
        super().__init__()
        self.hook = hook

    def forward(self, images: Tensor) -> Tensor:
        self.hook(self)
        return images.flatten(1)[:, :, None, None]


class PixelNetwork(Classifier):
    def layers(self, graph: Graphs, skeleton: Skeleton) -> Iterator[nn.Module]:
        assert isinstance(skeleton, Pixels)
        if skeleton.normed:
            yield nn.BatchNorm2d(self.copies * SHAPE[0])
        yield Flat(skeleton.hook)


@dataclass(frozen=True)
class Pixels(Skeleton):
    """Softmax regression on pixels; `normed`: behind a batch norm."""

    stem: int = PIXELS
    stacks: int = 1
    cells: int = 1
    classes: int = CLASSES
    image_channels: int = SHAPE[0]
    normed: bool = False
    hook: Hook = field(default=lambda module: None, compare=False)

    def network(self, graph: Graphs, generators: Sequence[torch.Generator]) -> Classifier:
        return PixelNetwork(graph, self, generators)

    def parameters(self, graphs: Graphs) -> NDArray[np.int64]:
        return np.full(len(graphs), (PIXELS + 1) * CLASSES)


def images(
    train: int = 10, valid: int = 300, test: int = 5, shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES
) -> Images:
    """Noise, a little of it by class."""
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % classes for n in (train, valid, test)]
    kinds = rng.normal(size=(classes, *shape))
    return Images.of([(kinds[y] + rng.normal(size=(len(y), *shape))).astype(np.float32) for y in labels], labels)


@dataclass
class ByHand:
    """The copies of `Pixels()`, and what was seen of them; the attributes as in `State` and `Curves`."""

    weight: NDArray[np.float64]  # (copies, classes, pixels + 1): the last column is the bias
    momentum: NDArray[np.float64]
    orders: list[torch.Generator]
    step: int
    average: NDArray[np.float64] | None

    @classmethod
    def of(cls, state: State) -> ByHand:
        weight, momentum, average = (
            np.concatenate(
                [
                    state.tensors[f"{kind}.dense.weight"].reshape(-1, CLASSES, PIXELS),
                    state.tensors[f"{kind}.dense.bias"].reshape(-1, CLASSES, 1),
                ],
                axis=2,
                dtype=np.float64,
            )
            if f"{kind}.dense.weight" in state.tensors
            else None
            for kind in ("weights", "momentum", "average")
        )
        orders = [torch.Generator().set_state(torch.from_numpy(order.copy())) for order in state.tensors["orders"]]
        return cls(weight, momentum, orders, int(state.tensors["schedule.step"]), average)

    def epoch(self, images: Images, recipe: Recipe) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """One epoch of training; loss and correct images of each copy."""
        steps = len(images.y_train) // recipe.batch
        seen = np.zeros((2, len(self.orders)))
        for copy, generator in enumerate(self.orders):
            order = torch.randperm(len(images.y_train), generator=generator)
            changes = Changes.draw(len(order), SHAPE[1:], generator, **recipe.augmentation)
            used = slice(steps * recipe.batch)
            x = changes.take(used).apply(torch.from_numpy(images.x_train)[order[used]], generator).numpy()
            y = images.y_train[order.numpy()]
            for batch in range(steps):
                rows = slice(batch * recipe.batch, (batch + 1) * recipe.batch)
                loss, correct, gradient = regression(self.weight[copy], x[rows], y[rows], recipe)
                seen[:, copy] += loss.sum(), correct.sum()
                done = (self.step + batch) / (recipe.epochs * steps)
                rate = recipe.learning_rate * (1 + np.cos(np.pi * done)) / 2
                rate *= min(1, (self.step + batch + 1) / (recipe.warmup * steps + 1))
                gradient = gradient + recipe.weight_decay * self.weight[copy]
                self.momentum[copy] = recipe.momentum * self.momentum[copy] + gradient
                self.weight[copy] -= rate * (gradient + recipe.momentum * self.momentum[copy])
                if self.average is not None:
                    done = self.step + batch + 1
                    keeps = min(1 - 1 / (recipe.averaging * steps), done / (done + 9))
                    self.average[copy] = keeps * self.average[copy] + (1 - keeps) * self.weight[copy]
        self.step += steps
        return seen[0] / (steps * recipe.batch), seen[1].astype(np.int64)


def regression(
    weight: NDArray[np.float64], x: NDArray[np.float32], y: NDArray[np.int64], recipe: Recipe | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Loss and correctness of each image, and the gradient of the mean loss; all images are of equal classes."""
    pixels = np.concatenate([x.reshape(len(x), -1), np.ones((len(x), 1))], axis=1, dtype=np.float64)
    scores = pixels @ weight.T
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    smoothing = recipe.label_smoothing if recipe else 0.0
    wanted = (1 - smoothing) * np.eye(CLASSES)[y] + smoothing / CLASSES
    error = likely - wanted
    return -(wanted * np.log(likely)).sum(axis=1), scores.argmax(axis=1) == y, error.T @ pixels / len(y)
