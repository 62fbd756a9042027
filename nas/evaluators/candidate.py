"""The training of one candidate, in whatever process that happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Images
from nas.errors import UserError
from nas.evaluators.calls import describe
from nas.evaluators.devices import existing, kind, lease
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training import Recipe, train
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

    def run(self, graph: Graphs, until: int | None = None) -> Outcome:
        """Train one network; a fault of the candidate, such as too little memory for it, is its outcome.

        Args:
            graph: the network's.
            until: the epoch after which to stop, as the recipe's whole training would have gone; None: its last.

        Returns:
            The validation accuracy after the last epoch, the wall seconds of the training alone, and as details the
            parameters, the test accuracy after the last epoch (for reports only), and lists of what was seen in each of
            the `epochs`.

        Raises:
            UserError: the data set (which may have changed, or be another one on this machine), the device, the
                skeleton or the recipe is at fault, not the candidate.
        """
        try:
            with self._ready(graph) as (images, device):
                curves, _ = train(
                    graph, images, self.skeleton, self.recipe, [self.seed], device, self.threads, self.patience,
                    self.time_limit, until=until, test=until is None,
                )  # fmt: skip
        except (RuntimeError, ArithmeticError, MemoryError, TimeoutError) as error:
            return Outcome.failed(describe(error))
        epochs = {
            "train_loss": _plain(curves.train_loss[0]),
            "train_accuracy": _plain(curves.accuracy("train")[0]),
            "valid_loss": _plain(curves.valid_loss[0]),
            "valid_accuracy": _plain(curves.accuracy("valid")[0]),
            "seconds": _plain(curves.seconds),
        }
        [tested] = [None] if curves.diverged else _plain(curves.accuracy("test"))
        details = {"parameters": curves.parameters, "test_accuracy": tested, "epochs": epochs}
        seconds = float(curves.seconds[-1])
        if curves.diverged:
            return Outcome.failed("the loss became NaN or infinite", seconds, details)
        value = float(curves.accuracy("valid")[0, -1])
        return Outcome({VALUE: value}, seconds, len(curves.seconds), details=details)

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
        labels = np.arange(batch + 1) % 2
        images = Images.of((noise[:-1], noise[-1:], noise[:0]), (labels[:-1], labels[-1:], labels[:0]))
        skeleton, recipe = replace(self.skeleton, classes=2), replace(self.recipe, epochs=1)
        train(graph, images, skeleton, recipe, [0], device, self.threads)


@dataclass
class _Process:
    """What this process keeps from one training to the next."""

    device: str | None = None  # the last; to stay with it saves the memory that each further device takes
    warm: set[str] = field(default_factory=set)  # devices on which something was trained


@cache
def _process() -> _Process:
    return _Process()


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in values.tolist()]
