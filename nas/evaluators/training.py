"""Evaluation by training the candidate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from nas.datasets import Dataset, Digits, Images
from nas.errors import UserError
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.recipe import Recipe
from nas.training import Curves, train
from nas.types import Architectures, Evaluation, Reference, Space, Values


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate: `curves` of one copy, or why it failed (`error`, one line), or both."""

    curves: Curves | None
    error: str | None

    @property
    def value(self) -> float:
        """Validation accuracy after the last epoch, 0..1; NaN where the candidate failed."""
        return self._last("valid")

    @property
    def test(self) -> float:
        """Test accuracy after the last epoch, 0..1; NaN where the candidate failed or there are no test images."""
        return self._last("test")

    @property
    def seconds(self) -> float:
        """Wall seconds of the training; NaN where it did not come to an end."""
        return np.nan if self.curves is None else float(self.curves.seconds[-1])

    def _last(self, part: str) -> float:
        return np.nan if self.curves is None or self.error else float(self.curves.accuracy(part)[0, -1])

    def record(self) -> dict[str, Any]:
        """The same in plain entries for a journal: per epoch losses, accuracies and seconds; None: not known."""
        if self.curves is None:
            return {"error": self.error}
        return {
            "error": self.error,
            "parameters": self.curves.parameters,
            "train_loss": _plain(self.curves.train_loss[0]),
            "train_accuracy": _plain(self.curves.accuracy("train")[0]),
            "valid_loss": _plain(self.curves.valid_loss[0]),
            "valid_accuracy": _plain(self.curves.accuracy("valid")[0]),
            "seconds": _plain(self.curves.seconds),
        }


def _plain(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in values.tolist()]


@lru_cache(maxsize=1)
def load(dataset: Dataset) -> Images:
    """Load a data set, once in each process."""
    return dataset.load()


def train_candidate(
    graph: Graphs, dataset: Dataset, skeleton: Skeleton, recipe: Recipe, seed: int, device: str, threads: int
) -> Outcome:
    """Train one network; a fault of the candidate, such as too little memory for it, is its outcome.

    Fit to run in another process: all arguments are small and can be pickled. See `nas.training.train` for them.

    Raises:
        UserError: the data set, the skeleton or the recipe is at fault, not the candidate.
    """
    try:
        curves = train(graph, load(dataset), skeleton, recipe, [seed], device, threads)
    except UserError:
        raise
    except (RuntimeError, ArithmeticError, MemoryError) as error:
        return Outcome(None, f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(curves, "the loss became NaN or infinite" if curves.diverged else None)


class TrainingEvaluator:
    """Trains every candidate and reports its validation accuracy after the last epoch; NaN where training failed.

    What a candidate gets depends on the seed and its graph only, not on when it is trained: a network that comes again
    is not trained again.

    Args:
        space: the search space.
        dataset: what to train on; None: `Digits()`.
        skeleton: what surrounds the cells; its classes and image channels follow from the data set.
        recipe: how to train.
        seed: 0 or more.
        device: `cpu`, `cuda`, or `auto`: CUDA where there is one.
        threads: PyTorch's threads on the CPU, at least 1; more than 1 pay for large networks only.

    Raises:
        UserError: the data set cannot be used, or an option is out of its range.
    """

    def __init__(
        self,
        space: Space,
        dataset: Dataset | None = None,
        skeleton: Skeleton | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        for name, value, least in (("seed", seed, 0), ("threads", threads, 1)):
            if value < least:
                raise UserError(f"evaluator.{name} is {value}, must be at least {least}")
        self.space = space
        self.dataset: Dataset = dataset or Digits()
        self.device = _device(device)
        self.recipe = recipe or Recipe()
        self.seed, self.threads = seed, threads
        images = load(self.dataset)
        shape = images.x_train.shape
        if len(images.y_train) < self.recipe.batch:
            raise UserError(f"recipe.batch is {self.recipe.batch}, but there are {len(images.y_train)} training images")
        self.skeleton = replace(skeleton or Skeleton(), classes=images.classes, image_channels=shape[1])
        self._tested = len(images.y_test) > 0
        self._images = {"dataset": type(self.dataset).__name__, "images": str(shape), "images_sha256": images.digest}
        self._outcomes: dict[int, Outcome] = {}

    def identity(self) -> dict[str, str]:
        """The data set with its digest, the skeleton, the recipe, the seed, the device and PyTorch's version."""
        import torch

        return {
            **self._images,
            "skeleton": str(asdict(self.skeleton)),
            "recipe": str(asdict(self.recipe)),
            "seed": f"{self.seed}",
            "device": self.device,
            "threads": f"{self.threads}",
            "torch": str(torch.__version__),  # a str of a class of its own
        }

    def job(self, arch: Architectures) -> tuple[Graphs, Dataset, Skeleton, Recipe, int, str, int]:
        """The arguments of `train_candidate` for one architecture `(1, genes)`."""
        return (
            self.space.graphs(arch), self.dataset, self.skeleton, self.recipe, self.seed, self.device, self.threads
        )  # fmt: skip

    def outcomes(self, archs: Architectures) -> list[Outcome]:
        """Train what was not trained yet, in order; what became of each."""
        keys = self.space.keys(archs).tolist()
        for row, key in enumerate(keys):
            if key not in self._outcomes:
                self._outcomes[key] = train_candidate(*self.job(archs[row : row + 1]))
        return [self._outcomes[key] for key in keys]

    def evaluate(self, archs: Architectures) -> Evaluation:
        """Train; the validation accuracies and the wall seconds."""
        outcomes = self.outcomes(archs)
        return Evaluation(np.array([o.value for o in outcomes]), np.array([o.seconds for o in outcomes]))

    def test(self, archs: Architectures) -> Values | None:
        """Test accuracy after the last epoch; trains again what this process has not trained. For the report only."""
        return np.array([outcome.test for outcome in self.outcomes(archs)]) if self._tested else None

    def reference(self) -> Reference | None:
        """Nothing is known of the whole space."""
        return None


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"evaluator.device is {name!r}, must be auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("evaluator.device is 'cuda', but PyTorch sees no CUDA device: use device=cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
