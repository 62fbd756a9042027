"""Training and evaluation of networks that share their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from nas.errors import OptionError
from nas.graphs import Graphs
from nas.options import NonNegative, Positive, PositiveInt, validated
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nas.networks.supernet import Supernet

_EVALUATION_BATCH = 512  # most images scored at once


@validated
@dataclass(frozen=True)
class SupernetRecipe(Recipe):
    """How a supernet is trained: SGD, the learning rate falling as a cosine, by step. See `Recipe` for the others.

    The numbers are those of Li and Talwalkar (2019, section 4), of which White et al. (2021) train for 50 epochs.

    Args:
        last_rate: the learning rate at the end, at least 0.
        clip: most that the norm of all gradients may be, above 0.

    Raises:
        OptionError: a number is out of its range.
    """

    epochs: PositiveInt = 50
    batch: Annotated[int, Ge(2)] = 64
    learning_rate: Positive = 0.025
    weight_decay: NonNegative = 0.0003
    last_rate: NonNegative = 0.001
    clip: Positive = 5.0


def train_supernet(
    supernet: Supernet,
    graphs: Graphs,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    recipe: SupernetRecipe,
    every: bool,
    generator: torch.Generator,
) -> None:
    """Train a supernet, at each step along the paths of another graph.

    Args:
        supernet: on the device where it is trained.
        graphs: one for each step, at least one; an epoch is `n // recipe.batch` steps.
        images: `(n, channels, height, width)`, at least `recipe.batch`.
        labels: `(n,)` their classes.
        recipe: how; for how long, the graphs say.
        every: whether each vertex of a graph sums all operations there are, not its own alone.
        generator: of the order of the images and their augmentation.

    Raises:
        OptionError: at the end the loss is NaN or infinite.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from nas.training.augmentation import augment

    weights = list(supernet.parameters())
    device = weights[0].device
    optimizer = torch.optim.SGD(weights, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(graphs), recipe.last_rate)
    x, y, used = torch.from_numpy(images), torch.from_numpy(labels), len(images) // recipe.batch * recipe.batch
    for step in range(len(graphs)):
        first = step * recipe.batch % used
        if not first:  # an epoch begins
            rows = torch.randperm(len(x), generator=generator)[:used]
            seen = augment(x[rows], generator, **recipe.augmentation)
        part = slice(first, first + recipe.batch)
        scores = supernet(_channels_last(seen[part], device), graphs.take(slice(step, step + 1)), every)
        loss = cross_entropy(scores, y[rows[part]].to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
    if not torch.isfinite(loss):
        raise OptionError("recipe.learning_rate", f"is {recipe.learning_rate}, with which the training diverged")


def shared_accuracy(supernet: Supernet, graph: Graphs, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of images, 0..1, that one graph's network classifies correctly with the weights of a supernet.

    Args:
        supernet: on the device where to score; its batch norm takes the statistics of the images, at most 512 at once.
        graph: one graph.
        images: `(n, channels, height, width)`.
        labels: `(n,)` their classes.
    """
    import torch

    device = next(supernet.parameters()).device
    parts = -(-len(images) // _EVALUATION_BATCH)
    correct = 0
    with torch.inference_mode():
        for x, y in zip(np.array_split(images, parts), np.array_split(labels, parts), strict=True):
            found = supernet(_channels_last(torch.from_numpy(x), device), graph).argmax(dim=1)
            correct += int((found.cpu() == torch.from_numpy(y)).sum())
    return correct / len(images)


def _channels_last(images: Tensor, device: torch.device) -> Tensor:
    import torch

    return images.to(device).contiguous(memory_format=torch.channels_last)
