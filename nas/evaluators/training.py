"""Evaluation by training the candidate."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import asdict
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Digits
from nas.errors import UserError
from nas.evaluators.calls import describe, leave_import_of_main
from nas.evaluators.candidate import load, prepare, train_candidate
from nas.evaluators.devices import check_names, existing, kind
from nas.evaluators.executors import LocalExecutor, Opener
from nas.graphs import Graphs
from nas.networks import Skeleton
from nas.training import Recipe
from nas.types import Architectures, Evaluation, Outcome, Reference, Space, Values


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
        device: `cpu`, `cuda`, one CUDA device such as `cuda:1`, or `auto`: CUDA where there is one. It is looked for
            where candidates are trained.
        devices: several devices of one kind, on each machine that trains; a training gets one that has the fewest.
            None: `device` for all.
        threads: PyTorch's threads on the CPU, at least 1; more than 1 pay for large networks only.
        workers: how many candidates are trained at once, at least 1.
        patience: stop a training after so many epochs without a lower validation loss; None: never.
        time_limit: seconds of training after which a candidate has failed; None: no limit.
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
        devices: list[str] | None = None,
        threads: int = 1,
        workers: int = 1,
        patience: int | None = None,
        time_limit: float | None = None,
        executor: Opener | None = None,
    ) -> None:
        leave_import_of_main()
        for name, value, least in (("seed", seed, 0), ("threads", threads, 1), ("workers", workers, 1)):
            if value < least:
                raise UserError(f"evaluator.{name} is {value}, must be at least {least}")
        if patience is not None and patience < 1:
            raise UserError(f"evaluator.patience is {patience}, must be at least 1, or null: never stop early")
        if time_limit is not None and not time_limit > 0:
            raise UserError(f"evaluator.time_limit is {time_limit}, must be above 0 seconds, or null: no limit")
        self.space = space
        self.dataset: Dataset = dataset or Digits()
        self._opener = executor or LocalExecutor()
        self._devices = (device,) if devices is None else tuple(devices)
        check_names(self._devices)
        if not self._opener.elsewhere:
            for name in self._devices:
                existing(name)
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

    def identity(self) -> dict[str, str]:
        """The data set with its digest, the skeleton, the recipe, the seed, the kind of device, PyTorch's version."""
        import torch

        return {
            **self._images,
            "skeleton": str(asdict(self.skeleton)),
            "recipe": str(asdict(self.recipe)),
            "seed": f"{self.seed}",
            "device": self._device_kind,
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
    ) -> tuple[Graphs, Dataset, str, Skeleton, Recipe, int, tuple[str, ...], str, int, int | None, float | None]:
        """The arguments of `train_candidate` for one architecture `(1, genes)`."""
        return (
            self.space.graphs(arch), self.dataset, self._images["images_sha256"], self.skeleton, self.recipe, self.seed,
            self._devices, self._device_kind, self.threads, self.patience, self.time_limit,
        )  # fmt: skip

    @cached_property
    def _executor(self) -> Executor:
        graph = self.space.graphs(self.space.sample(1, np.random.default_rng(self.seed)))
        needed = (graph, self.dataset, self._images["images_sha256"], self.skeleton, self.recipe)
        fresh = partial(prepare, *needed, self._devices, self.threads)
        return self._opener.open(self.slots, self.time_limit, fresh)

    @cached_property
    def _device_kind(self) -> str:
        """`cpu` or `cuda`, as the machine that trains has it."""
        (named,) = {kind(name) for name in self._devices}
        if named != "auto":
            return named
        return kind(self._executor.submit(existing, named).result() if self._opener.elsewhere else existing(named))

    @property
    def deaths(self) -> int:
        """How many worker processes died so far. Dask does not say."""
        return getattr(self._executor, "deaths", 0) if "_executor" in vars(self) else 0

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
    elif isinstance(error := training.exception(), UserError | SystemExit):
        outcome.set_exception(error)
    elif isinstance(error, ImportError):  # of the worker: it would fail every candidate, and faster than others train
        reason = f"a worker cannot train ({describe(error)}): mend it, and continue with resume=FOLDER"
        outcome.set_exception(UserError(reason))
    elif error is not None:
        outcome.set_result(Outcome(None, error=describe(error)))
    else:
        outcome.set_result(training.result())


def _column(values: Iterable[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
