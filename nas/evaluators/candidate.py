"""The training of one candidate, in whatever process that happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Images
from nas.errors import UserError
from nas.evaluators.calls import describe
from nas.evaluators.checkpoint import Checkpoint
from nas.evaluators.devices import existing, kind, lease
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training import (
    FRESH_ACCURACY,
    HISTORIES,
    Curves,
    FreshAccuracy,
    History,
    Measure,
    Observer,
    Recipe,
    description,
    train,
)
from nas.types import Outcome

VALUE = "validation"
"""The name of the value that the search sees: the validation accuracy."""


@lru_cache(maxsize=1)
def load(dataset: Dataset) -> Images:
    """Load a data set, once in each process."""
    return dataset.load()


@dataclass(frozen=True)
class Training:
    """How an evaluator trains candidates, in any process: small, and can be pickled.

    Attributes:
        dataset: what each process loads anew.
        digest: of its images.
        skeleton: around the cells.
        recipe: how to train.
        seed: 0 or more.
        devices: their names; a training gets the one that has the fewest.
        device_kind: what each of them must be, `cpu` or `cuda`; None: either.
        threads: PyTorch's, on the CPU.
        patience: stop after so many epochs without a lower validation loss; None: never.
        time_limit: seconds after which a candidate has failed; None: no limit.
        history_images: of how many validation images a history is kept; None: of all.
        measure: what the value is.
        best: whether the value is that of the best epoch of a whole training, not of the last.
    """

    dataset: Dataset
    digest: str
    skeleton: Skeleton
    recipe: Recipe
    seed: int
    devices: tuple[str, ...]
    device_kind: str | None
    threads: int
    patience: int | None
    time_limit: float | None
    history_images: int | None = None
    measure: Measure = "accuracy"
    best: bool = False

    def run(
        self,
        graph: Graphs,
        until: int | None = None,
        *,
        reached: int = 0,
        checkpoint: Checkpoint | None = None,
        curves_only: bool = False,
        history: bool = False,
    ) -> Outcome:
        """Train one network; a fault of the candidate, such as too little memory for it, is its outcome.

        Args:
            graph: the network's.
            until: epochs after which to stop, as the recipe's whole training would have gone; None: its last.
            reached: epochs whose seconds are recorded already.
            checkpoint: where to go on from, written after each epoch, and removed when the training fails by itself;
                whoever records the outcome removes that of a whole training. None: from the start, nothing is written.
            curves_only: whether nothing is measured but the curves; the value is then the last validation accuracy.
            history: whether the curves have what a `nas.training.History` gives, too, at its price.

        Returns:
            The validation value after the last epoch (or the best one), where the training may go on with batch-norm
            statistics computed anew; the wall seconds of the training alone since what is recorded, or all of them
            where it began anew; and as details the parameters, the test value after the whole training (for reports
            only), the `fresh_accuracy` where that is the value, and lists of what was seen in each of the `epochs`
            from the first.

        Raises:
            UserError: the data set (which may have changed, or be another one on this machine), the device, the
                skeleton, the recipe or the checkpoint is at fault, not the candidate.
        """
        last = self.recipe.epochs if until is None else until
        try:
            curves, held = self._train(graph, last, checkpoint, curves_only, history)
        except (RuntimeError, ArithmeticError, MemoryError, TimeoutError) as error:
            if checkpoint is not None and isinstance(error, TimeoutError):
                checkpoint.remove()  # its seconds would count again
            return Outcome.failed(describe(error))
        over = self._over(curves)
        if checkpoint is not None and curves.diverged:
            checkpoint.remove()
        recorded = min(reached, held)
        seconds = float(curves.seconds[-1] - (curves.seconds[recorded - 1] if recorded else 0.0))
        value = curves.valid_value[0].max() if self.best and over else curves.valid_value[0, -1]
        if fresh := not (over or curves_only):
            value = curves.observed[FRESH_ACCURACY][0, -1]
        return _outcome(curves, float(value), seconds, over, fresh, history)

    def _train(
        self, graph: Graphs, last: int, checkpoint: Checkpoint | None, curves_only: bool, history: bool
    ) -> tuple[Curves, int]:
        """What was seen, and how many epochs of it the checkpoint held."""
        stops = last < self.recipe.epochs
        observer: Observer = FreshAccuracy(last if stops and not curves_only else None, self.measure)
        with self._ready(graph) as (images, device):
            if history:
                observer = History(images, last, images=self.history_images)
            state, on_epoch = None, None
            if checkpoint is not None:
                told = description(graph, images, self.skeleton, self.recipe, [self.seed])
                state, on_epoch = checkpoint.load(told, last, observer), checkpoint.save
            go_on = partial(
                train, graph, images, self.skeleton, self.recipe, [self.seed], device, self.threads, self.patience,
                self.time_limit, until=last, on_epoch=on_epoch, observer=observer, measure=self.measure,
                keep_best=self.best,
            )  # fmt: skip
            curves, end = go_on(state=state, test=not (stops or curves_only))
            if stops and self._over(curves) and not curves_only:
                curves, _ = go_on(state=end)  # no epoch more, but the test images
        return curves, 0 if state is None else state.epochs

    def _over(self, curves: Curves) -> bool:
        """Whether the training has come to its end."""
        return len(curves.seconds) == self.recipe.epochs or curves.stalled(self.patience)

    def prepare(self, graph: Graphs) -> None:
        """Do what only the first training of a process needs. Raises what `run` raises or tells."""
        with self._ready(graph):
            pass

    @contextmanager
    def _ready(self, graph: Graphs) -> Iterator[tuple[Images, str]]:
        """Give the images and a device for one training, not the first of this process or on this device."""
        here = [existing(name) for name in self.devices]  # the search's machine may have others
        for name in here:
            if self.device_kind not in (None, kind(name)):
                raise UserError(
                    f"a worker would train on {name}, but the search began with {self.device_kind}: "
                    f"give all workers the same kind of device, or name one with device=cpu or cuda"
                )
        images = load(self.dataset)
        if images.digest != self.digest:
            raise UserError(
                f"{self.dataset} was loaded by a worker with SHA-256 {images.digest[:16]}..., by the search with "
                f"{self.digest[:16]}...: give every worker the same files, and leave them as they are"
            )
        process = _process()
        with lease(here, process.device) as device:
            if device not in process.warm:
                self._warm_up(graph, images.x_train.shape[1:], device)
                process.warm.add(device)
            process.device = device
            yield images, device

    def _warm_up(self, graph: Graphs, shape: tuple[int, ...], device: str) -> None:
        """Train for one step on noise: PyTorch loads much of itself, and starts a device, when they are first used."""
        batch = self.recipe.batch
        noise = np.random.default_rng(0).normal(size=(batch + 1, *shape)).astype(np.float32)
        values = self.skeleton.classes == 1
        labels = (np.arange(batch + 1) % 2).astype(np.float32 if values else np.int64)
        images = Images.of((noise[:-1], noise[-1:], noise[:0]), (labels[:-1], labels[-1:], labels[:0]))
        skeleton, recipe = replace(self.skeleton, classes=1 if values else 2), replace(self.recipe, epochs=1)
        train(graph, images, skeleton, recipe, [0], device, self.threads)


@dataclass
class _Process:
    """What this process keeps from one training to the next."""

    device: str | None = None  # the last; to stay with it saves the memory that each further device takes
    warm: set[str] = field(default_factory=set)  # devices on which something was trained


@cache
def _process() -> _Process:
    return _Process()


def _outcome(curves: Curves, value: float, seconds: float, over: bool, fresh: bool, history: bool) -> Outcome:
    epochs = {
        "train_loss": _plain(curves.train_loss[0]),
        "train_accuracy": _plain(curves.accuracy("train")[0]),
        "valid_loss": _plain(curves.valid_loss[0]),
        "valid_accuracy": _plain(curves.accuracy("valid")[0]),
        **({} if curves.measure == "accuracy" else {f"valid_{curves.measure}": _plain(curves.valid_value[0])}),
        "seconds": _plain(curves.seconds),
        **{name: _plain(curves.observed[name][0]) for name in (HISTORIES if history else ())},
    }
    if curves.measure == "r2":  # nothing is correct or not
        del epochs["train_accuracy"], epochs["valid_accuracy"]
    [tested] = [None] if curves.diverged else _plain(curves.test_value)
    details: dict[str, Any] = {"parameters": curves.parameters, "test_accuracy": tested, "epochs": epochs}
    if curves.diverged:
        return Outcome.failed("the loss became NaN or infinite", seconds, details)
    if fresh:
        details[FRESH_ACCURACY] = value
    return Outcome({VALUE: value}, seconds, len(curves.seconds), details=details, partial=not over)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in values.tolist()]
