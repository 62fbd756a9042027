"""Training of one candidate, or of several copies of it at once with different seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import Images
from nas.errors import OptionError
from nas.graphs import ABSENT, Graphs
from nas.networks import Skeleton
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nas.networks.classifier import Classifier

_EVALUATION_BATCH = 256  # images scored at once, in each copy


@dataclass(frozen=True)
class Curves:
    """What was seen of `s` copies over `e` epochs; each array `(s, e)`.

    Attributes:
        train_loss, valid_loss, test_loss: mean cross-entropy; of training, as the epoch went, in training mode.
        train_correct, valid_correct, test_correct: images classified correctly; of training, of those seen.
        images: how many images the epoch saw of train, valid and test.
        seconds: `(e,)` wall seconds up to the end of each epoch, for all copies together, evaluation included.
        parameters: of one copy.
    """

    train_loss: NDArray[np.float64]
    train_correct: NDArray[np.int64]
    valid_loss: NDArray[np.float64]
    valid_correct: NDArray[np.int64]
    test_loss: NDArray[np.float64]
    test_correct: NDArray[np.int64]
    images: tuple[int, int, int]
    seconds: NDArray[np.float64]
    parameters: int

    @property
    def diverged(self) -> bool:
        """Whether the loss of training or validation became NaN or infinite."""
        return not all(np.isfinite(loss).all() for loss in (self.train_loss, self.valid_loss))

    def accuracy(self, part: str) -> NDArray[np.float64]:
        """`(s, e)`: share of correct images of `train`, `valid` or `test`, 0..1; NaN for a part without images."""
        images = self.images[("train", "valid", "test").index(part)]
        correct: NDArray[np.float64] = getattr(self, f"{part}_correct") / (images or np.nan)
        return correct


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
) -> Curves:
    """Train one network once for each seed, jointly as the groups of grouped convolutions.

    All that is random (initial weights, order of the images, augmentation) comes from the seed and the graph. On a CPU
    the same seeds in one call give the same result bit for bit, given the same number of threads and library versions;
    a seed trained alone and beside others differs by rounding.

    Args:
        graph: one graph.
        images: the data set.
        skeleton: must fit the images' channels and classes.
        recipe: how to train.
        seeds: one for each copy, each 0 or more.
        device: `cpu` or `cuda`; on CUDA in mixed precision, channels last.
        threads: PyTorch's threads meanwhile; None: as they are.
        patience: stop after so many epochs without a lower validation loss (mean of the copies); None: never.
        time_limit: wall seconds, checked at every step and epoch; None: no limit.

    Raises:
        TimeoutError: the training took longer than the limit.
        UserError: the recipe, the skeleton and the images do not fit together.
    """
    import torch

    if len(images.x_train) < recipe.batch:
        raise OptionError("batch", f"is {recipe.batch}, must be at most {len(images.x_train)}, the training images")
    fits = {"image_channels": images.x_train.shape[1], "classes": images.classes}
    for name, needed in fits.items():
        if (stated := getattr(skeleton, name)) != needed:
            raise OptionError(name, f"is {stated}, but the images need {needed}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _train(graph, images, skeleton, recipe, seeds, device, patience, time_limit)
    finally:
        torch.set_num_threads(before)


def _train(
    graph: Graphs,
    images: Images,
    skeleton: Skeleton,
    recipe: Recipe,
    seeds: Sequence[int],
    device: str,
    patience: int | None,
    time_limit: float | None,
) -> Curves:
    import torch

    start = perf_counter()
    weights, orders = _generators(graph, seeds)
    network = skeleton.network(graph, weights).to(device)
    parts = [_Part(*images.part(name), device) for name in ("train", "valid", "test")]
    steps = len(parts[0]) // recipe.batch
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * steps)
    record = _Record()

    def check_time() -> None:
        if time_limit is not None and perf_counter() - start > time_limit:
            raise TimeoutError(f"not trained within {time_limit} seconds")

    def step() -> None:
        check_time()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()

    while len(record.seconds) < recipe.epochs and not record.stalled(patience):
        optimizer.zero_grad(set_to_none=True)
        record.add(_epoch(network, parts[0], recipe, step, orders), steps * recipe.batch)
        check_time()
        for part in parts[1:]:
            record.add(_score(network, part), len(part))
        record.seconds.append(perf_counter() - start)
    return record.curves((steps * recipe.batch, len(parts[1]), len(parts[2])), int(skeleton.parameters(graph)[0]))


def _generators(graph: Graphs, seeds: Sequence[int]) -> tuple[list[torch.Generator], list[torch.Generator]]:
    """For each seed one generator of initial weights and one of image orders, independent of those of other graphs."""
    import torch

    there = graph.labels[0] != ABSENT
    adjacency = graph.adjacency[0][np.ix_(there, there)]
    network = int.from_bytes(np.packbits(adjacency).tobytes() + graph.labels[0][there].tobytes(), "little")
    states = np.array([np.random.SeedSequence([seed, network]).generate_state(2, np.uint64) for seed in seeds])
    weights, orders = ([torch.Generator().manual_seed(int(state)) for state in column] for column in states.T)
    return weights, orders


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


def _epoch(
    network: Classifier,
    part: _Part,
    recipe: Recipe,
    step: Callable[[], None],
    generators: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """Train for one epoch, `step` after each batch; sums of losses and of correct images of each copy, `(copies,)`."""
    import torch

    from nas.training.augmentation import augment

    network.train()
    drawn, classes = [], []
    for generator in generators:
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
        step()
        loss += losses.detach().sum(dim=0)
        correct += right.sum(dim=0)
    return loss, correct


@dataclass
class _Record:
    """Collects sums per epoch in the order train, valid, test."""

    seconds: list[float] = field(default_factory=list)
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    correct: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, sums: tuple[Tensor, Tensor], images: int) -> None:
        self.losses.append(sums[0].cpu().double().numpy() / (images or np.nan))
        self.correct.append(sums[1].cpu().numpy())

    def stalled(self, patience: int | None) -> bool:
        """Whether the mean validation loss was not lower in the last `patience` epochs than before them."""
        losses = [float(loss.mean()) for loss in self.losses[1::3]]
        return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])

    def curves(self, images: tuple[int, int, int], parameters: int) -> Curves:
        losses, correct = np.stack(self.losses, axis=1), np.stack(self.correct, axis=1)
        return Curves(
            train_loss=losses[:, 0::3],
            train_correct=correct[:, 0::3],
            valid_loss=losses[:, 1::3],
            valid_correct=correct[:, 1::3],
            test_loss=losses[:, 2::3],
            test_correct=correct[:, 2::3],
            images=images,
            seconds=np.array(self.seconds),
            parameters=parameters,
        )
