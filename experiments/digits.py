"""What the pilot and the table builder share: the cells, the way they are trained, and how reliable a ranking is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from platform import python_version
from time import process_time
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nas.datasets import Digits
from nas.networks import Skeleton
from nas.networks.classifier import Classifier
from nas.spaces import NB101
from nas.training import Curves, Observer, Part, Recipe, State, score, train
from nas.types import Architectures

MAX_VERTICES = 5
SEEDS = (0, 1, 2)

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Setting:
    """All that decides a cell's figures, beside its seeds and the library versions."""

    dataset: Digits
    skeleton: Skeleton
    recipe: Recipe

    def describe(self) -> dict[str, Any]:
        """The same as plain entries."""
        return {"dataset": vars(self.dataset), "skeleton": vars(self.skeleton), "recipe": vars(self.recipe)}


def skeleton(stem: int = 8, stacks: int = 2, cells: int = 1) -> Skeleton:
    """Make a skeleton for the digits."""
    return Skeleton(stem, stacks, cells, classes=10, image_channels=1)


TABLE = Setting(Digits(960, 300), skeleton(), Recipe(epochs=8, shift=1, learning_rate=0.05))
"""What the pilot chose."""


def space() -> NB101:
    """The cells of the embedded table."""
    return NB101(max_vertices=MAX_VERTICES)


class TestedEachEpoch(Observer):
    """Scores the test images after each epoch: `test_loss` and `test_correct`."""

    def after_step(self, network: Classifier) -> None:
        """Nothing."""

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> dict[str, Tensor]:
        """Sums of losses, over the images, and correct images of each copy."""
        scored = score(network, parts["test"])
        return {"test_loss": scored.losses.double() / len(parts["test"]), "test_correct": scored.correct}

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Nothing is remembered."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing is remembered."""


def train_cell(arch: Architectures, setting: Setting, seeds: Sequence[int] = SEEDS) -> tuple[Curves, float]:
    """Train one cell `(1, genes)` with each seed, jointly; also the CPU seconds it took."""
    images = setting.dataset.load()
    start = process_time()
    curves, _ = train(space().graphs(arch), images, setting.skeleton, setting.recipe, seeds, observer=TestedEachEpoch())
    return curves, process_time() - start


def final_accuracy(curves: Curves, part: str) -> NDArray[np.float64]:
    """`(s,)`: of each copy, after the last epoch, on `valid` or `test`."""
    accuracy = curves.accuracy(part)
    return accuracy if part == "test" else accuracy[:, -1]


def in_processes(
    function: Callable[..., Result], jobs: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[tuple[tuple[Any, ...], Result]]:
    """Run `function(*job)` in spawned processes; yield jobs with their results as they finish."""
    waiting = iter(jobs)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(function, *job): job for job in islice(waiting, 2 * workers)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                running |= {pool.submit(function, *following): following for following in islice(waiting, 1)}
                yield job, future.result()


def reliability(values: NDArray[np.float64]) -> float:
    """Intraclass correlation of the mean over seeds, ICC(1, k) of Shrout and Fleiss (1979).

    Args:
        values: `(cells, seeds)`.
    """
    between = values.shape[1] * values.mean(axis=1).var(ddof=1)
    within = values.var(axis=1, ddof=1).mean()
    return float((between - within) / between)


def versions() -> dict[str, str]:
    """Versions of what decides the figures, to the last bit."""
    from torch.backends.cpu import get_cpu_capability

    libraries = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    return {"python": python_version(), **libraries, "instructions": get_cpu_capability()}
