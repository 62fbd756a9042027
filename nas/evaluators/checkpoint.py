"""The file from which the training of a candidate goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.errors import UserError
from nas.training import Curves, DamagedStateError, Observer, State, load_state, remove_state, save_state

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The file of one candidate's training; whichever process trains it must see the folder.

    Attributes:
        folder: exists.
        key: the network's.
    """

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        """The file; it exists while the training is not whole."""
        return self.folder / f"{self.key}.safetensors"

    def load(self, training: Mapping[str, str], until: int, observer: Observer) -> State | None:
        """Where to go on from; None: from the start. A damaged file counts as none: a kill must not stop a run.

        Args:
            training: of what, as `nas.training.description` tells it.
            until: epochs after which the training is to stop.
            observer: will look at the network.

        Raises:
            UserError: the folder does not exist here, or the file cannot be read or is of another training.
        """
        if not self.folder.is_dir():
            raise UserError(
                f"the folder of checkpoints {self.folder} does not exist where a candidate is trained: "
                f"it must be on a file system that all workers share"
            )
        if not self.path.exists():
            return None
        try:
            state = load_state(self.path)
        except DamagedStateError:
            _log.warning("checkpoint %s is damaged: its training begins anew", self.path)
            return None
        try:
            state.check(training)
            if state.epochs > until:
                raise UserError(f"it holds {state.epochs} epochs, but the training is to stop after {until}")
            observer.restore(state)
        except UserError as error:
            raise UserError(f"checkpoint {self.path} does not fit ({error}): remove the file to begin anew") from error
        return state

    def save(self, seen: Curves, state: Callable[[], State]) -> None:
        """Write the file after an epoch; where that is impossible, say so: the training is worth more than its file."""
        try:
            save_state(self.path, state())
        except UserError as error:
            _log.warning("%s: if it is stopped now, it begins anew", error)

    def remove(self) -> None:
        """Remove the file of a training that is over. Raises UserError where that is impossible."""
        remove_state(self.path)
