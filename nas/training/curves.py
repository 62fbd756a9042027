"""What was seen of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import PARTS
from nas.training.measures import Measure
from nas.training.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from nas.training.scoring import Scored

COLUMNS = (*(f"{part}_{figure}" for part in PARTS[:2] for figure in ("loss", "correct")), "valid_value")
"""The attributes of `Curves` with one number for each copy and epoch."""

_OBSERVED = "curves.observed."


@dataclass(frozen=True)
class Curves:
    """What was seen of `s` copies over `e` epochs.

    Attributes:
        train_loss, valid_loss: `(s, e)` mean cross-entropy, or squared error in the training labels' variance; of
            training, as the epoch went, in training mode.
        train_correct, valid_correct: `(s, e)` images classified correctly; of training, of those seen. 0 of values.
        valid_value: `(s, e)` the measure, such as accuracy or R2; see `nas.training.measures`.
        test_loss, test_correct, test_value: `(s,)` after the last epoch; NaN and 0 where test images were not scored.
        images: how many images the epoch saw of train, valid and test; 0 of test where they were not scored.
        seconds: `(e,)` wall seconds up to the end of each epoch, for all copies together, scoring of the validation
            images included, that of test images not; those of a training that went on from a state go on too.
        parameters: of one copy.
        observed: `(s, e)` of each number that an observer gave, by name.
        measure: what the values are.
    """

    train_loss: NDArray[np.float64]
    train_correct: NDArray[np.int64]
    valid_loss: NDArray[np.float64]
    valid_correct: NDArray[np.int64]
    valid_value: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    test_correct: NDArray[np.int64]
    test_value: NDArray[np.float64]
    images: tuple[int, int, int]
    seconds: NDArray[np.float64]
    parameters: int
    observed: Mapping[str, NDArray[np.float64]]
    measure: Measure = "accuracy"

    @property
    def diverged(self) -> bool:
        """Whether the loss of training or validation became NaN or infinite."""
        return not all(np.isfinite(loss).all() for loss in (self.train_loss, self.valid_loss))

    def stalled(self, patience: int | None) -> bool:
        """Whether the mean validation loss was not lower in the last `patience` epochs than before them."""
        return _stalled([float(loss.mean()) for loss in self.valid_loss.T], patience)

    def accuracy(self, part: str) -> NDArray[np.float64]:
        """Share of correct images of `train` or `valid` `(s, e)`, or of `test` `(s,)`, 0..1; NaN without images."""
        images = self.images[PARTS.index(part)]
        correct: NDArray[np.float64] = getattr(self, f"{part}_correct") / (images or np.nan)
        return correct


@dataclass
class Record:
    """Collects what becomes `Curves`.

    Args:
        images: how many images an epoch sees of train, valid and test.
        parameters: of one copy.
        copies: how many there are.
        measure: what the values are.
    """

    images: tuple[int, int, int]
    parameters: int
    copies: int
    measure: Measure = "accuracy"
    columns: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    seconds: list[float] = field(default_factory=list)
    observed: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    test: Scored | None = None

    @property
    def epochs(self) -> int:
        """How many epochs are over."""
        return len(self.seconds)

    def add(self, part: str, losses: Tensor, correct: Tensor) -> None:
        """Add one epoch's sum of losses and number of correct images of each copy, `(s,)` each."""
        self.columns[f"{part}_loss"].append(_mean(losses, self.images[PARTS.index(part)]))
        self.columns[f"{part}_correct"].append(correct.cpu().numpy())

    def add_valid(self, scored: Scored) -> None:
        """Add what one epoch's scoring of the validation images told."""
        self.add("valid", scored.losses, scored.correct)
        self.columns["valid_value"].append(scored.value)

    def observe(self, numbers: Mapping[str, Tensor]) -> None:
        """Add what an observer saw after an epoch, `(s,)` each."""
        for name, number in numbers.items():
            self.observed.setdefault(name, []).append(number.detach().cpu().double().numpy())

    def stalled(self, patience: int | None) -> bool:
        """As `Curves.stalled`."""
        return _stalled([float(loss.mean()) for loss in self.columns["valid_loss"]], patience)

    @property
    def is_best(self) -> bool:
        """Whether the last epoch's validation value, the mean of the copies, is above all before it."""
        means = [float(value.mean()) for value in self.columns["valid_value"]]
        return all(means[-1] > other for other in means[:-1])

    def curves(self) -> Curves:
        """What was seen so far, at least one epoch."""
        nothing = np.full(self.copies, np.nan), np.zeros(self.copies, dtype=np.int64)
        train, valid, test = self.images
        loss, correct, value = *nothing, nothing[0]
        if self.test is not None:
            loss, correct = _mean(self.test.losses, test), self.test.correct.cpu().numpy()
            value = self.test.value
        return Curves(
            **self._stacked(),
            test_loss=loss,
            test_correct=correct,
            test_value=value,
            images=(train, valid, 0 if self.test is None else test),
            seconds=np.array(self.seconds),
            parameters=self.parameters,
            observed={name: np.stack(column, axis=1) for name, column in self.observed.items()},
            measure=self.measure,
        )

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What `restore` takes: the columns and the seconds, as in `Curves`."""
        columns = {**self._stacked(), "seconds": np.array(self.seconds)}
        observed = {f"observed.{name}": np.stack(column, axis=1) for name, column in self.observed.items()}
        return {f"curves.{name}": column for name, column in {**columns, **observed}.items()}

    def restore(self, state: State) -> None:
        """Go on from a state that holds what `tensors` gave.

        Raises:
            UserError: the state has other tensors.
        """
        for name in COLUMNS:
            dtype = np.dtype(np.int64 if name.endswith("correct") else np.float64)
            self.columns[name] = list(state.tensor(f"curves.{name}", (self.copies, state.epochs), dtype).T)
        for name in (name for name in state.tensors if name.startswith(_OBSERVED)):
            column = state.tensor(name, (self.copies, state.epochs), np.dtype(np.float64))
            self.observed[name.removeprefix(_OBSERVED)] = list(column.T)
        self.seconds = state.tensor("curves.seconds", (state.epochs,), np.dtype(np.float64)).tolist()

    def _stacked(self) -> dict[str, NDArray[Any]]:
        return {name: np.stack(column, axis=1) for name, column in self.columns.items()}


def _stalled(losses: list[float], patience: int | None) -> bool:
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def _mean(losses: Tensor, images: int) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = losses.cpu().double().numpy() / (images or np.nan)
    return mean


OnEpoch = Callable[[Curves, Callable[[], State]], None]
"""Called after each epoch with what was seen so far, and what gives the state; what it raises ends the training."""
