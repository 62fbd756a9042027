"""Training of one candidate, or of several copies of it at once with different seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from nas.datasets.base import Images
from nas.errors import OptionError, UserError
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training.curves import Curves, OnEpoch, Record
from nas.training.learner import Learner
from nas.training.measures import Measure, measure_of
from nas.training.observer import Observer
from nas.training.recipe import Recipe
from nas.training.scoring import Part, correct_of, loss_of, score
from nas.training.state import State, description

if TYPE_CHECKING:
    from torch import Tensor

_AUGMENTED = 1 << 22  # numbers of images that are augmented at once: 16 MiB, whatever the data set


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
    observer: Observer | None = None,
    test: bool = True,
    measure: Measure | None = None,
    keep_best: bool = False,
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
        on_epoch: called after each epoch with what was seen so far, and with a function that gives the state then; what
            it raises ends the training. Its seconds are nobody's.
        observer: looks at the network; its seconds are the training's.
        test: whether test images are scored, once, at the end; their seconds are nobody's.
        measure: what the validation and test values are; None: accuracy, or R2 where the target is a value.
        keep_best: whether the test images are scored with the weights of the epoch of the best validation value (mean
            of the copies), the first of several, not of the last.

    Returns:
        What was seen in all epochs, those of the state included, and the state to go on from.

    Raises:
        TimeoutError: the training took longer than the limit.
        UserError: the recipe, the skeleton, the images and the state do not fit together, or `until` is out of range.
    """
    import torch

    if len(images.x_train) < recipe.batch:
        raise OptionError("batch", f"is {recipe.batch}, must be at most {len(images.x_train)}, the training images")
    fits = {"image_channels": images.x_train.shape[1], "classes": images.outputs}
    measure = measure_of(images.target, measure)
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
        parts = {name: Part(*tensors) for name, tensors in images.on(device).items()}
        start = perf_counter() - (state.seconds if state else 0.0)
        steps = len(parts["train"]) // recipe.batch
        weights = _class_weights(parts["train"], images) if recipe.class_weights else None
        learner = Learner(graph, skeleton, recipe, seeds, steps, device)
        seen = (steps * recipe.batch, len(parts["valid"]), len(parts["test"]))
        record = Record(seen, int(skeleton.parameters(graph)[0]), len(seeds), measure)
        if state:
            learner.restore(state)
            record.restore(state)
            if observer:
                observer.restore(state)
        clock = _Clock(start, time_limit)

        def now() -> State:
            seen = observer.tensors() if observer else {}
            return State({**learner.tensors(), **record.tensors(), **seen}, training)

        while record.epochs < last and not record.stalled(patience):
            record.add("train", *_epoch(learner, parts["train"], recipe, weights, clock, observer))
            record.add_valid(score(learner.measured, parts["valid"], measure))
            if keep_best and record.is_best:
                learner.keep()
            if observer:
                record.observe(observer.after_epoch(learner.measured, parts))
            clock.check()
            record.seconds.append(clock.seconds)
            if on_epoch:
                with clock.stopped():
                    on_epoch(record.curves(), now)
        if test:
            record.test = score(learner.recall(), parts["test"], measure)
        return record.curves(), now()
    finally:
        torch.set_num_threads(before)


@dataclass
class _Clock:
    start: float
    limit: float | None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let what happens meanwhile take no time."""
        before = perf_counter()
        yield
        self.start += perf_counter() - before

    @property
    def seconds(self) -> float:
        return perf_counter() - self.start

    def check(self) -> None:
        if self.limit is not None and self.seconds > self.limit:
            raise TimeoutError(f"not trained within {self.limit} seconds")


def _epoch(
    learner: Learner, part: Part, recipe: Recipe, weights: Tensor | None, clock: _Clock, observer: Observer | None
) -> tuple[Tensor, Tensor]:
    """Train for one epoch; sums of losses and of correct images of each copy, `(copies,)`."""
    import torch

    network = learner.network
    network.train()
    loss = torch.zeros(network.copies, device=part.labels.device)
    correct = torch.zeros(network.copies, dtype=torch.int64, device=part.labels.device)
    for images, labels in _batches(learner, part, recipe):
        losses, predicted = loss_of(network, images, labels, weights, recipe.label_smoothing)
        losses.mean(dim=0).sum().backward()  # type: ignore[no-untyped-call]
        clock.check()
        learner.step()
        if observer:
            observer.after_step(network)
        loss += losses.detach().sum(dim=0)
        correct += correct_of(predicted, labels)
    return loss, correct


def _class_weights(part: Part, images: Images) -> Tensor:
    """`(classes,)`: the same weight in total for each class, 1 for an image in the mean."""
    import torch

    counts = torch.bincount(part.labels, minlength=images.classes)
    return len(part) / (images.classes * counts.float())


def _batches(learner: Learner, part: Part, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """The steps of an epoch: images `(batch, copies * channels, h, w)`, augmented, and labels `(batch, copies)`."""
    import torch

    from nas.training.augmentation import Changes

    n, channels, height, width = part.images.shape
    drawn = []
    for generator in learner.orders:
        order = torch.randperm(n, generator=generator)
        changes = Changes.draw(n, (height, width), generator, **recipe.augmentation)
        drawn.append((order.to(part.labels.device), changes, generator))
    used = n // recipe.batch * recipe.batch
    at_once = max(1, _AUGMENTED // (len(drawn) * recipe.batch * channels * height * width)) * recipe.batch
    for first in range(0, used, at_once):
        rows = slice(first, min(first + at_once, used))
        images = [changes.take(rows).apply(part.images[order[rows]], it) for order, changes, it in drawn]
        labels = torch.stack([part.labels[order[rows]] for order, _, _ in drawn], dim=1)
        batches = torch.split(torch.cat(images, dim=1), recipe.batch), torch.split(labels, recipe.batch)
        yield from zip(*batches, strict=True)
