"""Evaluation by training the candidate."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import asdict
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Digits, Images
from nas.errors import OptionError, UserError
from nas.evaluators.executors import LocalExecutor, Opener
from nas.graphs import Graphs
from nas.networks import Skeleton, skeleton_of
from nas.options import Natural, Positive, PositiveInt, validated
from nas.training import Recipe, train
from nas.types import Batch, Candidate, Evaluation, Outcome, Reference, Space, Values

VALUE = "validation"
"""The name of the value that the search sees: the validation accuracy."""


@lru_cache(maxsize=1)
def load(dataset: Dataset) -> Images:
    """Load a data set, once in each process."""
    return dataset.load()


def train_candidate(
    graph: Graphs,
    dataset: Dataset,
    digest: str,
    skeleton: Skeleton,
    recipe: Recipe,
    seed: int,
    device: str,
    threads: int,
    patience: int | None,
    time_limit: float | None,
) -> Outcome:
    """Train one network for an evaluator; a fault of the candidate, such as too little memory for it, is its outcome.

    Fit to run in another process: all arguments are small and can be pickled. See `nas.training.loop.train` for them;
    `digest` is that of the images, which the other process loads anew.

    Returns:
        The validation accuracy after the last epoch, the wall seconds, and as details the parameters, the test accuracy
        after the last epoch (for reports only), and lists of what was seen in each of the `epochs`.

    Raises:
        UserError: the data set (which may have changed, or be another one on this machine), the device, the skeleton or
            the recipe is at fault, not the candidate.
    """
    try:
        _device(device)  # which the search had, but this machine may lack
        images = load(dataset)
        if images.digest != digest:
            raise UserError(
                f"{dataset} was loaded by a worker with SHA-256 {images.digest[:16]}..., by the search with "
                f"{digest[:16]}...: give every worker the same files, and leave them as they are"
            )
        curves = train(graph, images, skeleton, recipe, [seed], device, threads, patience, time_limit)
    except (RuntimeError, ArithmeticError, MemoryError, TimeoutError) as error:
        return Outcome.failed(_reason(error))
    epochs = {
        "train_loss": _plain(curves.train_loss[0]),
        "train_accuracy": _plain(curves.accuracy("train")[0]),
        "valid_loss": _plain(curves.valid_loss[0]),
        "valid_accuracy": _plain(curves.accuracy("valid")[0]),
        "test_accuracy": _plain(curves.accuracy("test")[0]),
        "seconds": _plain(curves.seconds),
    }
    tested = None if curves.diverged else epochs["test_accuracy"][-1]
    details = {"parameters": curves.parameters, "test_accuracy": tested, "epochs": epochs}
    seconds = float(curves.seconds[-1])
    if curves.diverged:
        return Outcome.failed("the loss became NaN or infinite", seconds, details)
    value = float(curves.accuracy("valid")[0, -1])
    return Outcome({VALUE: value}, seconds, len(curves.seconds), details=details)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in values.tolist()]


@validated
class TrainingEvaluator:
    """Trains every candidate; its value is the validation accuracy after the last epoch.

    What a candidate gets depends on the seed and its graph only, not on when it is trained: a network that comes again
    is not trained again.

    Args:
        space: the search space.
        dataset: what to train on; None: `Digits()`.
        skeleton: how large to make what surrounds the cells; its kind is the space's, its classes and image channels
            follow from the data set. None: `Skeleton()`.
        recipe: how to train; None: `Recipe()`.
        seed: 0 or more.
        device: `cpu`, `cuda`, or `auto`: CUDA where there is one.
        threads: PyTorch's threads on the CPU, at least 1; more than 1 pay for large networks only.
        workers: how many candidates are trained at once, at least 1.
        patience: stop a training after so many epochs, at least 1, without a lower validation loss; None: never.
        time_limit: seconds, above 0, after which a candidate has failed; None: no limit.
        executor: where candidates are trained; None: `LocalExecutor()`.

    Raises:
        UserError: the data set cannot be used, or an option is out of its range.
    """

    slots = 1
    value = VALUE

    def __init__(
        self,
        space: Space,
        dataset: Dataset | None = None,
        skeleton: Skeleton | None = None,
        recipe: Recipe | None = None,
        seed: Natural = 0,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        threads: PositiveInt = 1,
        workers: PositiveInt = 1,
        patience: PositiveInt | None = None,
        time_limit: Positive | None = None,
        executor: Opener | None = None,
    ) -> None:
        self.space = space
        self.dataset: Dataset = dataset or Digits()
        self.device = _device(device)
        self.recipe = recipe or Recipe()
        self.seed, self.threads = seed, threads
        images = load(self.dataset)
        shape = images.x_train.shape
        if len(images.y_train) < self.recipe.batch:
            text = f"is {self.recipe.batch}, must be at most {len(images.y_train)}: there are no more training images"
            raise OptionError("recipe.batch", text)
        kind = skeleton_of(space)
        numbers = asdict(skeleton or Skeleton())
        self.skeleton = kind(**{**numbers, "classes": images.classes, "image_channels": shape[1]})
        self._images = {"dataset": type(self.dataset).__name__, "images": str(shape), "images_sha256": images.digest}
        self.slots = workers
        self.patience, self.time_limit = patience, time_limit
        self._opener = executor or LocalExecutor()

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
            "patience": f"{self.patience}",
            "torch": str(torch.__version__),  # a str of a class of its own
        }

    def objective(self, name: str, batch: Batch) -> Values:
        """Count the trainable parameters of the networks that would be trained, as `params`.

        Raises:
            UserError: another name.
        """
        if name != "params":
            raise UserError(f"objective.constraints names {name!r}, but before training only params are known")
        return self.skeleton.parameters(batch.graphs).astype(np.float64)

    def job(
        self, batch: Batch
    ) -> tuple[Graphs, Dataset, str, Skeleton, Recipe, int, str, int, int | None, float | None]:
        """The arguments of `train_candidate` for a batch of one architecture."""
        return (
            batch.graphs, self.dataset, self._images["images_sha256"], self.skeleton, self.recipe, self.seed,
            self.device, self.threads, self.patience, self.time_limit,
        )  # fmt: skip

    @cached_property
    def _executor(self) -> Executor:
        return self._opener.open(self.slots)

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Train one architecture. Whatever goes wrong with it, the death of its worker included, is its outcome."""
        training = self._executor.submit(train_candidate, *self.job(candidate.batch))
        outcome: Future[Outcome] = Future()
        training.add_done_callback(lambda done: _settle(done, outcome))
        return outcome

    def close(self) -> None:
        """Stop the workers; what they are training is given up."""
        if "_executor" in vars(self):
            self._executor.shutdown(wait=False, cancel_futures=True)

    def evaluate(self, batch: Batch) -> Evaluation:
        """Train; the validation accuracies and the wall seconds, NaN where training failed."""
        submitted = [self.submit(Candidate(part, "evaluate")) for part in batch.split(1)]
        outcomes = [future.result() for future in submitted]
        return Evaluation(_column(o.values.get(VALUE) for o in outcomes), _column(o.seconds for o in outcomes))

    def test(self, batch: Batch) -> None:
        """Nothing beyond what each outcome's details tell: `test_accuracy`."""

    def reference(self) -> Reference | None:
        """Nothing is known of the whole space."""
        return None


def _settle(training: Future[Outcome], outcome: Future[Outcome]) -> None:
    if training.cancelled() or isinstance(training.exception(), CancelledError):
        outcome.set_exception(UserError("the executor was stopped: continue with resume=FOLDER"))
    elif isinstance(error := training.exception(), UserError):
        outcome.set_exception(error)
    elif isinstance(error, ImportError):  # of the worker: it would fail every candidate, and faster than others train
        reason = f"a worker cannot train ({_reason(error)}): mend it, and continue with resume=FOLDER"
        outcome.set_exception(UserError(reason))
    elif error is not None:
        outcome.set_result(Outcome.failed(_reason(error)))
    else:
        outcome.set_result(training.result())


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _column(values: Iterable[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise OptionError("device", f"is {name!r}, must be auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device", "is 'cuda', but PyTorch sees no CUDA device: use device=cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
