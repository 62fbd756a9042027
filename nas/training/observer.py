"""Who looks at a network while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from nas.training.scoring import Part
from nas.training.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from nas.networks.classifier import Classifier


class Observer(Protocol):
    """Looks at a network after each step and at the end of each epoch; its seconds are the training's.

    It leaves weights, buffers and generators as they are.
    """

    def after_step(self, network: Classifier) -> None:
        """Look after a step of the optimizer."""

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> Mapping[str, Tensor]:
        """Return numbers of each copy, `(copies,)`, by name: the same names after every epoch.

        Args:
            network: in evaluation mode.
            parts: `train`, `valid` and `test`, the last for reports only.
        """

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """What it remembers, `observer.*` by name; see `nas.training.State`."""

    def restore(self, state: State) -> None:
        """Remember what a state has of it. Raises UserError where it has something else."""
