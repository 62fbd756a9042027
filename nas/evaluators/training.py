"""Evaluation by training the candidate."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import asdict
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Digits, Images
from nas.errors import UserError
from nas.evaluators.executors import LocalExecutor, Opener
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training import Recipe, train
from nas.types import Architectures, Evaluation, Outcome, Reference, Space, Values


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
        curves, _ = train(graph, images, skeleton, recipe, [seed], device, threads, patience, time_limit)
    except (RuntimeError, ArithmeticError, MemoryError, TimeoutError) as error:
        return Outcome(None, error=_reason(error))
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
        return Outcome(None, seconds, "the loss became NaN or infinite", details)
    return Outcome(float(curves.accuracy("valid")[0, -1]), seconds, None, details)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in values.tolist()]


class TrainingEvaluator:
    """Trains every candidate; its value is the validation accuracy after the last epoch.

    What a candidate gets depends on the seed and its graph only, not on when it is trained: a network that comes again
    is not trained again.

    Args:
        space: the search space.
        dataset: what to train on; None: `Digits()`.
        skeleton: how large to make what surrounds the cells; its kind is the space's, its classes and image channels
            follow from the data set.
        recipe: how to train.
        seed: 0 or more.
        device: `cpu`, `cuda`, or `auto`: CUDA where there is one.
        threads: PyTorch's threads on the CPU, at least 1; more than 1 pay for large networks only.
        workers: how many candidates are trained at once, at least 1.
        patience: stop a training after so many epochs without a lower validation loss; None: never.
        time_limit: seconds after which a candidate has failed; None: no limit.
        executor: where candidates are trained.

    Raises:
        UserError: the data set cannot be used, or an option is out of its range.
    """

    slots = 1

    def __init__(
        self,
        space: Space,
        dataset: Dataset | None = None,
        skeleton: Skeleton | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
        workers: int = 1,
        patience: int | None = None,
        time_limit: float | None = None,
        executor: Opener | None = None,
    ) -> None:
        for name, value, least in (("seed", seed, 0), ("threads", threads, 1), ("workers", workers, 1)):
            if value < least:
                raise UserError(f"evaluator.{name} is {value}, must be at least {least}")
        if patience is not None and patience < 1:
            raise UserError(f"evaluator.patience is {patience}, must be at least 1, or null: never stop early")
        if time_limit is not None and not time_limit > 0:
            raise UserError(f"evaluator.time_limit is {time_limit}, must be above 0 seconds, or null: no limit")
        self.space = space
        self.dataset: Dataset = dataset or Digits()
        self.device = _device(device)
        self.recipe = recipe or Recipe()
        self.seed, self.threads = seed, threads
        images = load(self.dataset)
        shape = images.x_train.shape
        if len(images.y_train) < self.recipe.batch:
            raise UserError(f"recipe.batch is {self.recipe.batch}, but there are {len(images.y_train)} training images")
        numbers = asdict(skeleton or space.skeleton())
        self.skeleton = space.skeleton(**{**numbers, "classes": images.classes, "image_channels": shape[1]})
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

    def objective(self, name: str, archs: Architectures) -> Values:
        """Count the trainable parameters of the networks that would be trained, as `params`.

        Raises:
            UserError: another name.
        """
        if name != "params":
            raise UserError(f"objective.constraints names {name!r}, but before training only params are known")
        return self.skeleton.parameters(self.space.graphs(archs)).astype(np.float64)

    def job(
        self, arch: Architectures
    ) -> tuple[Graphs, Dataset, str, Skeleton, Recipe, int, str, int, int | None, float | None]:
        """The arguments of `train_candidate` for one architecture `(1, genes)`."""
        return (
            self.space.graphs(arch), self.dataset, self._images["images_sha256"], self.skeleton, self.recipe, self.seed,
            self.device, self.threads, self.patience, self.time_limit,
        )  # fmt: skip

    @cached_property
    def _executor(self) -> Executor:
        return self._opener.open(self.slots)

    def submit(self, arch: NDArray[np.uint8]) -> Future[Outcome]:
        """Train one architecture. Whatever goes wrong with it, the death of its worker included, is its outcome."""
        training = self._executor.submit(train_candidate, *self.job(arch[None]))
        outcome: Future[Outcome] = Future()
        training.add_done_callback(lambda done: _settle(done, outcome))
        return outcome

    def close(self) -> None:
        """Stop the workers; what they are training is given up."""
        if "_executor" in vars(self):
            self._executor.shutdown(wait=False, cancel_futures=True)

    def evaluate(self, archs: Architectures) -> Evaluation:
        """Train; the validation accuracies and the wall seconds, NaN where training failed."""
        outcomes = [future.result() for future in [self.submit(arch) for arch in archs]]
        return Evaluation(_column(o.value for o in outcomes), _column(o.cost for o in outcomes))

    def test(self, archs: Architectures) -> None:
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
        outcome.set_result(Outcome(None, error=_reason(error)))
    else:
        outcome.set_result(training.result())


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _column(values: Iterable[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"evaluator.device is {name!r}, must be auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("evaluator.device is 'cuda', but PyTorch sees no CUDA device: use device=cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
