"""Evaluation by training the candidate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Executor, Future, wait
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset, Digits, chance, remarks
from nas.errors import OptionError, UserError
from nas.evaluators.calls import describe, leave_import_of_main
from nas.evaluators.candidate import VALUE, Training, load
from nas.evaluators.checkpoint import Checkpoint
from nas.evaluators.devices import check_names, existing, kind
from nas.evaluators.executors import LocalExecutor, Opener
from nas.networks import SizeOptions, Skeleton, skeleton_of
from nas.options import Natural, Positive, PositiveInt, validated
from nas.training import HISTORIES, History, Measure, RecipeOptions, measure_of
from nas.types import Batch, Candidate, Evaluation, Outcome, Reference, Space, Values

_log = logging.getLogger(__name__)


@validated
class TrainingEvaluator:
    """Trains every candidate; its value is how good the last epoch is on the validation images.

    A candidate's training may stop after any epoch, and go on later: the value is then that of the epoch with
    batch-norm statistics computed anew (see `nas.training.recalibrated`). What a training needs to go on is in a
    checkpoint, see `keep_checkpoints`.

    What a candidate gets depends on the seed and its graph only, not on when it is trained: a network that comes again
    is not trained again.

    Args:
        space: the search space.
        dataset: what to train on; None: `Digits()`.
        skeleton: how large to make what surrounds the cells; its kind is the space's, its classes and image channels
            follow from the data set. None: `SizeOptions()`.
        recipe: how to train; None: `RecipeOptions()`.
        seed: 0 or more.
        device: `cpu`, `cuda`, one CUDA device such as `cuda:1`, or `auto`: CUDA where there is one. It is looked for
            where candidates are trained.
        devices: several devices of one kind, on each machine that trains; a training gets one that has the fewest.
            None: `device` for all.
        threads: PyTorch's threads on the CPU, at least 1; more than 1 pay for large networks only.
        workers: how many candidates are trained at once, at least 1.
        patience: stop a training after so many epochs, at least 1, without a lower validation loss; None: never.
        time_limit: seconds of training, above 0, after which a candidate has failed; None: no limit.
        executor: where candidates are trained; None: `LocalExecutor()`.
        history_images: of how many validation images a history of outputs is kept where an encoder asks for one; None:
            of all.
        measure: what the value is: `accuracy`, `balanced_accuracy` or `macro_f1`, or `r2` where the data set's target
            is a value; None: the first of these that fits. See `nas.training.measures`.
        value: of the `last` epoch, or of the `best` one by validation, where the training was whole.

    Raises:
        UserError: the data set cannot be used, or an option is out of its range.
    """

    slots = 1
    continues = True

    def __init__(
        self,
        space: Space,
        dataset: Dataset | None = None,
        skeleton: Skeleton | SizeOptions | None = None,
        recipe: RecipeOptions | None = None,
        seed: Natural = 0,
        device: str = "auto",
        devices: list[str] | None = None,
        threads: PositiveInt = 1,
        workers: PositiveInt = 1,
        patience: PositiveInt | None = None,
        time_limit: Positive | None = None,
        executor: Opener | None = None,
        history_images: PositiveInt | None = None,
        measure: Measure | None = None,
        value: Literal["last", "best"] = "last",
    ) -> None:
        leave_import_of_main()
        self.space = space
        self.slots, self.value = workers, VALUE
        self._opener = executor or LocalExecutor()
        self._checkpoints: Path | None = None
        dataset, devices_ = dataset or Digits(), check_names(device, devices)
        if not self._opener.elsewhere:
            for name in devices_:
                existing(name)
        images = load(dataset)
        shape = images.x_train.shape
        recipe = (recipe or RecipeOptions()).following(len(images.y_train), min(shape[2:]))
        self.fidelities = tuple(range(1, recipe.epochs + 1))
        if len(images.y_train) < recipe.batch:
            text = f"is {recipe.batch}, must be at most {len(images.y_train)}: there are no more training images"
            raise OptionError("recipe.batch", text)
        if history_images is not None and history_images > len(images.y_valid):
            text = f"is {history_images}, must be at most {len(images.y_valid)}, the validation images"
            raise OptionError("history_images", text)
        numbers = {
            **(skeleton or SizeOptions()).following(min(shape[2:])),
            "classes": images.outputs,
            "image_channels": shape[1],
        }
        self.skeleton = skeleton_of(space)(**numbers)
        self._images = {"dataset": type(dataset).__name__, "images": str(shape), "images_sha256": images.digest}
        self._training = Training(
            dataset, images.digest, self.skeleton, recipe, seed, devices_, None, threads, patience, time_limit,
            history_images, measure_of(images.target, measure), value == "best",
        )  # fmt: skip
        self.classes = images.names
        self.chance = chance(images, "valid", self._training.measure)
        for remark in remarks(images):
            _log.info(remark)

    def identity(self) -> dict[str, str]:
        """The data set with its digest, the skeleton, the recipe, the seed and the patience."""
        return {
            **self._images,
            "skeleton": str(asdict(self.skeleton)),
            "recipe": str(self._training.recipe.told()),
            "seed": f"{self._training.seed}",
            "patience": f"{self._training.patience}",
            **({} if self._training.history_images is None else {"history": f"{self._training.history_images} images"}),
            **({} if self._training.measure == "accuracy" else {"signal": f"validation {self._training.measure}"}),
            **({"epoch": "best"} if self._training.best else {}),
        }

    def platform(self) -> dict[str, str]:
        """The kind of device, the threads, and PyTorch's version."""
        import torch

        version = str(torch.__version__)  # a str of a class of its own
        return {"device": self._device_kind, "threads": f"{self._training.threads}", "torch": version}

    def objective(self, name: str, batch: Batch) -> Values:
        """Count the trainable parameters of the networks that would be trained, as `params`.

        Raises:
            UserError: another name.
        """
        if name != "params":
            raise UserError(f"objective.constraints names {name!r}, but before training only params are known")
        return self.skeleton.parameters(batch.graphs).astype(np.float64)

    @cached_property
    def _prepare(self) -> Callable[[], None]:
        graph = self.space.graphs(self.space.sample(1, np.random.default_rng(self._training.seed)))
        return partial(self._training.prepare, graph)

    @cached_property
    def _executor(self) -> Executor:
        return self._opener.open(self.slots, self._training.time_limit, self._prepare)

    def start(self) -> None:
        """Wait until all workers are ready to train; what goes wrong with that is told by the first candidate."""
        wait([self._executor.submit(self._prepare) for _ in range(self.slots)])

    @cached_property
    def _device_kind(self) -> str:
        """`cpu` or `cuda`, as the machine that trains has it."""
        (named,) = {kind(name) for name in self._training.devices}
        if named != "auto":
            return named
        return kind(self._executor.submit(existing, named).result() if self._opener.elsewhere else existing(named))

    @cached_property
    def training(self) -> Training:
        """How each candidate is trained; may be handed to another process."""
        return replace(self._training, device_kind=self._device_kind)

    @property
    def deaths(self) -> int:
        """How many workers died so far."""
        return getattr(self._executor, "deaths", 0) if "_executor" in vars(self) else 0

    def keep_checkpoints(self, folder: Path | None) -> None:
        """Let trainings go on from their last epoch, after the death of a worker or of the search too.

        Without, a training that is to go on begins anew. What is being trained is left as it is.

        Args:
            folder: made where it is missing; holds `KEY.safetensors` for each network whose training is not over. All
                workers must see it. None: no checkpoints.

        Raises:
            UserError: the folder cannot be made.
        """
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"the folder of checkpoints {folder} cannot be made: {error.strerror}") from error
        self._checkpoints = folder and folder.absolute()  # a worker may be in another folder

    def submit(self, candidate: Candidate) -> Future[Outcome]:
        """Train one architecture. Whatever goes wrong with it, the death of its worker included, is its outcome.

        Raises:
            UserError: the candidate's `until` is no epoch of the recipe, or is not above `reached`.
        """
        self._check(candidate)
        checkpoint = None if self._checkpoints is None else Checkpoint(self._checkpoints, candidate.key)
        training = self._executor.submit(
            self.training.run,
            candidate.batch.graphs,
            candidate.until,
            reached=candidate.reached,
            checkpoint=checkpoint,
        )
        outcome: Future[Outcome] = Future()
        training.add_done_callback(lambda done: _settle(done, outcome))
        return outcome

    def _check(self, candidate: Candidate) -> None:
        last = self.fidelities[-1]
        until = last if candidate.until is None else candidate.until
        if until not in self.fidelities:
            raise UserError(f"until is {until}, must be 1..{last}: name one of the recipe's epochs, or train more")
        if until <= candidate.reached:
            raise UserError(
                f"until is {until}, must be above {candidate.reached}, the epochs that are recorded already: "
                f"let the training go on beyond them, or evaluate another candidate"
            )

    def close(self) -> None:
        """Stop the workers; what they are training is given up."""
        if "_executor" in vars(self):
            self._executor.shutdown(wait=False, cancel_futures=True)

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[NDArray[np.float64], Values]:
        """Train for the first epochs: `(n, epochs)` of what is seen, NaN where that failed, and the seconds `(n,)`.

        Beside the metrics of every evaluator there are those of `nas.training.History`, at its price.

        Raises:
            UserError: the recipe has fewer epochs, or the history would take too much memory.
        """
        if epochs > self._training.recipe.epochs:
            raise OptionError("epochs", f"is {epochs}, must be at most {self._training.recipe.epochs}, the recipe's")
        parts = batch.split(1) if len(batch) else []
        history = metric in HISTORIES
        if history:  # refused before anything is spent
            History(load(self._training.dataset), epochs, images=self._training.history_images)
        run = partial(self.training.run, until=epochs, curves_only=True, history=history)
        training = [self._executor.submit(run, part.graphs) for part in parts]
        outcomes: list[Future[Outcome]] = [Future() for _ in training]
        for done, outcome in zip(training, outcomes, strict=True):
            done.add_done_callback(partial(_settle, outcome=outcome))
        curves, seconds = np.full((len(batch), epochs), np.nan), np.zeros(len(batch))
        for row, future in enumerate(outcomes):
            seen = future.result()
            curve = (seen.details or {}).get("epochs", {}).get(metric) if seen.error is None else None
            seconds[row] = seen.seconds or 0.0
            if curve is not None and len(curve) == epochs:
                curves[row] = curve
        return curves, seconds

    def curve_epochs(self, metric: str) -> NDArray[np.int64]:
        """Every epoch of the recipe."""
        return np.arange(1, self._training.recipe.epochs + 1)

    def evaluate(self, batch: Batch) -> Evaluation:
        """Train; the validation accuracies and the wall seconds, NaN where training failed."""
        submitted = [self.submit(Candidate(part, "evaluate")) for part in (batch.split(1) if len(batch) else [])]
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
    elif isinstance(error := training.exception(), UserError | SystemExit):
        outcome.set_exception(error)
    elif isinstance(error, ImportError):  # of the worker: it would fail every candidate, and faster than others train
        reason = f"a worker cannot train ({describe(error)}): mend it, and continue with resume=FOLDER"
        outcome.set_exception(UserError(reason))
    elif error is not None:
        outcome.set_result(Outcome.failed(describe(error)))
    else:
        outcome.set_result(training.result())


def _column(values: Iterable[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
