"""The files from which the trainings of a run go on."""

from __future__ import annotations

from pathlib import Path

from nas.search.callbacks import Callback
from nas.search.search import Search
from nas.search.trial import Trial


class Checkpoints(Callback):
    """Removes the checkpoint of a trial that is measured whole, once that is recorded.

    Args:
        folder: where the evaluator keeps them, a file for each network's key; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_trial(self, search: Search, trial: Trial) -> None:
        """Remove the file of a training that is over."""
        if not trial.partial:
            (self._folder / f"{trial.key}.safetensors").unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove what is left when a budget is spent: a run that gets more trains anew what goes on then."""
        for path in self._folder.glob("*.safetensors*"):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()
