"""Training of one candidate, or of several copies of it at once with different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import PARTS, Images
from nas.errors import OptionError, UserError
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training.curves import Curves, OnEpoch, Record
from nas.training.learner import Learner
from nas.training.recipe import Recipe
from nas.training.state import State, description

if TYPE_CHECKING:
    from torch import Tensor

    from nas.networks.classifier import Classifier

_EVALUATION_BATCH = 256  # images scored at once, in each copy


def train(
    graph: Graphs,
    images: Images,
    skeleton: Skeleton,
    recipe: Recipe,
    seeds: Sequence[int],
    device: str = "cpu",
    threads: int | None = 1,
    patience: int | None = None,
    time_limit: float | None = None,
    *,
    until: int | None = None,
    state: State | None = None,
    on_epoch: OnEpoch | None = None,
) -> tuple[Curves, State]:
    """Train one network once for each seed, jointly as the groups of grouped convolutions.

    All that is random (initial weights, order of the images, augmentation) comes from the seed and the graph. On a CPU
    the same seeds in one call give the same result bit for bit, given the same number of threads and library versions;
    a seed trained alone and beside others differs by rounding. A training that stops and goes on from its state gives
    what an unbroken one gives, bit for bit on a CPU; only the seconds differ.

    Args:
        graph: one graph.
        images: the data set.
        skeleton: must fit the images' channels and classes.
        recipe: how to train.
        seeds: one for each copy, each 0 or more.
        device: `cpu` or `cuda`; on CUDA in mixed precision, channels last.
        threads: PyTorch's threads meanwhile; None: as they are.
        patience: stop after so many epochs without a lower validation loss (mean of the copies); None: never.
        time_limit: wall seconds, those of the state included, checked at each step and at the end of each epoch; None:
            no limit.
        until: epochs after which to stop, 1..recipe.epochs, those of the state included; None: recipe.epochs. The
            learning rate falls as `recipe.epochs` says, whatever is given here.
        state: where to go on from; None: from the start.
        on_epoch: called after each epoch with what was seen so far; what it raises ends the training.

    Returns:
        What was seen in all epochs, those of the state included, and the state to go on from.

    Raises:
        TimeoutError: the training took longer than the limit.
        UserError: the recipe, the skeleton, the images and the state do not fit together, or `until` is out of range.
    """
    import torch

    if len(images.x_train) < recipe.batch:
        raise OptionError("batch", f"is {recipe.batch}, must be at most {len(images.x_train)}, the training images")
    fits = {"image_channels": images.x_train.shape[1], "classes": images.classes}
    for name, needed in fits.items():
        if (stated := getattr(skeleton, name)) != needed:
            raise OptionError(name, f"is {stated}, but the images need {needed}")
    training = description(graph, images, skeleton, recipe, seeds)
    if state:
        state.check(training)
    first = state.epochs if state else 1
    last = recipe.epochs if until is None else until
    if not first <= last <= recipe.epochs:
        raise UserError(f"until is {last}, must be {first}..{recipe.epochs}, the epochs of the state and of the recipe")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        start = perf_counter() - (state.seconds if state else 0.0)
        parts = {name: _Part(*images.part(name), device) for name in PARTS}
        steps = len(parts["train"]) // recipe.batch
        learner = Learner(graph, skeleton, recipe, seeds, steps, device)
        seen = (steps * recipe.batch, len(parts["valid"]), len(parts["test"]))
        record = Record(seen, int(skeleton.parameters(graph)[0]))
        if state:
            learner.restore(state)
            record.restore(state, len(seeds))
        clock = _Clock(start, time_limit)
        while record.epochs < last and not record.stalled(patience):
            record.add("train", *_epoch(learner, parts["train"], recipe, clock))
            for name in ("valid", "test"):
                record.add(name, *_score(learner.network, parts[name]))
            clock.check()
            record.seconds.append(clock.seconds)
            if on_epoch:
                on_epoch(record.curves())
        return record.curves(), State(learner.tensors() | record.tensors(), training)
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Clock:
    start: float
    limit: float | None

    @property
    def seconds(self) -> float:
        return perf_counter() - self.start

    def check(self) -> None:
        if self.limit is not None and self.seconds > self.limit:
            raise TimeoutError(f"not trained within {self.limit} seconds")


class _Part:
    """Images and labels of one part of a data set, on the device."""

    def __init__(self, images: NDArray[np.float32], labels: NDArray[np.int64], device: str) -> None:
        import torch

        self.device = device
        self.images = torch.from_numpy(images)
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: slice, copies: int) -> tuple[Tensor, Tensor]:
        """The same images for every copy: `(n, copies * channels, h, w)` and labels `(n, copies)`."""
        images, labels = self.images[rows].to(self.device), self.labels[rows].to(self.device)
        return images.repeat(1, copies, 1, 1), labels[:, None].expand(-1, copies)


def _score(network: Classifier, part: _Part) -> tuple[Tensor, Tensor]:
    """Sum of losses and number of correct images of each copy, `(copies,)` each."""
    import torch

    network.eval()
    loss = torch.zeros(network.copies, device=part.device)
    correct = torch.zeros(network.copies, dtype=torch.int64, device=part.device)
    with torch.inference_mode():
        for first in range(0, len(part), _EVALUATION_BATCH):
            losses, right = _loss(network, *part.rows(slice(first, first + _EVALUATION_BATCH), network.copies))
            loss += losses.sum(dim=0)
            correct += right.sum(dim=0)
    return loss, correct


def _loss(network: Classifier, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and correctness of every image in every copy, `(n, copies)` each."""
    import torch
    from torch.nn.functional import cross_entropy

    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda):
        scores = network(images)
    scores = scores.float()
    losses = cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    return losses, scores.argmax(dim=2) == labels


def _epoch(learner: Learner, part: _Part, recipe: Recipe, clock: _Clock) -> tuple[Tensor, Tensor]:
    """Train for one epoch; sums of losses and of correct images of each copy, `(copies,)`."""
    import torch

    from nas.training.augmentation import augment

    network = learner.network
    network.train()
    drawn, classes = [], []
    for generator in learner.orders:
        order = torch.randperm(len(part), generator=generator)
        drawn.append(
            augment(
                part.images[order],
                generator,
                noise=recipe.noise,
                shift=recipe.shift,
                flip=recipe.flip,
                cutout=recipe.cutout,
            )
        )
        classes.append(part.labels[order])
    images, labels = torch.cat(drawn, dim=1), torch.stack(classes, dim=1)
    loss = torch.zeros(network.copies, device=part.device)
    correct = torch.zeros(network.copies, dtype=torch.int64, device=part.device)
    for first in range(0, len(part) - recipe.batch + 1, recipe.batch):
        rows = slice(first, first + recipe.batch)
        losses, right = _loss(network, images[rows].to(part.device), labels[rows].to(part.device))
        losses.mean(dim=0).sum().backward()  # type: ignore[no-untyped-call]
        clock.check()
        learner.step()
        loss += losses.detach().sum(dim=0)
        correct += right.sum(dim=0)
    return loss, correct
