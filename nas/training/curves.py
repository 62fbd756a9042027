"""What was seen of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.base import PARTS
from nas.training.state import State

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = tuple(f"{part}_{figure}" for part in PARTS for figure in ("loss", "correct"))
"""The attributes of `Curves` with one number for each copy and epoch."""


@dataclass(frozen=True)
class Curves:
    """What was seen of `s` copies over `e` epochs; each array `(s, e)`.

    Attributes:
        train_loss, valid_loss, test_loss: mean cross-entropy; of training, as the epoch went, in training mode.
        train_correct, valid_correct, test_correct: images classified correctly; of training, of those seen.
        images: how many images the epoch saw of train, valid and test.
        seconds: `(e,)` wall seconds up to the end of each epoch, for all copies together, evaluation included; those
            of a training that went on from a state go on too.
        parameters: of one copy.
    """

    train_loss: NDArray[np.float64]
    train_correct: NDArray[np.int64]
    valid_loss: NDArray[np.float64]
    valid_correct: NDArray[np.int64]
    test_loss: NDArray[np.float64]
    test_correct: NDArray[np.int64]
    images: tuple[int, int, int]
    seconds: NDArray[np.float64]
    parameters: int

    @property
    def diverged(self) -> bool:
        """Whether the loss of training or validation became NaN or infinite."""
        return not all(np.isfinite(loss).all() for loss in (self.train_loss, self.valid_loss))

    def accuracy(self, part: str) -> NDArray[np.float64]:
        """`(s, e)`: share of correct images of `train`, `valid` or `test`, 0..1; NaN for a part without images."""
        images = self.images[PARTS.index(part)]
        correct: NDArray[np.float64] = getattr(self, f"{part}_correct") / (images or np.nan)
        return correct


@dataclass
class Record:
    """Collects what becomes `Curves`.

    Args:
        images: how many images an epoch sees of train, valid and test.
        parameters: of one copy.
    """

    images: tuple[int, int, int]
    parameters: int
    columns: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    seconds: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many epochs are over."""
        return len(self.seconds)

    def add(self, part: str, losses: Tensor, correct: Tensor) -> None:
        """Add one epoch's sum of losses and number of correct images of each copy, `(s,)` each."""
        mean = losses.cpu().double().numpy() / (self.images[PARTS.index(part)] or np.nan)
        self.columns[f"{part}_loss"].append(mean)
        self.columns[f"{part}_correct"].append(correct.cpu().numpy())

    def stalled(self, patience: int | None) -> bool:
        """Whether the mean validation loss was not lower in the last `patience` epochs than before them."""
        losses = [float(loss.mean()) for loss in self.columns["valid_loss"]]
        return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])

    def curves(self) -> Curves:
        """What was seen so far, at least one epoch."""
        return Curves(**self._stacked(), images=self.images, seconds=np.array(self.seconds), parameters=self.parameters)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What `restore` takes: the columns and the seconds, as in `Curves`."""
        columns = {**self._stacked(), "seconds": np.array(self.seconds)}
        return {f"curves.{name}": column for name, column in columns.items()}

    def restore(self, state: State, copies: int) -> None:
        """Go on from a state that holds what `tensors` gave.

        Raises:
            UserError: the state has other tensors.
        """
        for name in COLUMNS:
            dtype = np.dtype(np.int64 if name.endswith("correct") else np.float64)
            self.columns[name] = list(state.tensor(f"curves.{name}", (copies, state.epochs), dtype).T)
        self.seconds = state.tensor("curves.seconds", (state.epochs,), np.dtype(np.float64)).tolist()

    def _stacked(self) -> dict[str, NDArray[Any]]:
        return {name: np.stack(column, axis=1) for name, column in self.columns.items()}


OnEpoch = Callable[[Curves], None]
"""Called after each epoch with what was seen so far; what it raises ends the training."""
