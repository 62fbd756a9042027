"""The wall seconds of a run, over all its parts."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

from nas.search.callbacks import Callback
from nas.search.search import Search
from nas.search.trial import Trial

_EVERY = 10.0  # seconds between two notes: all that a killed run forgets of its time


class Seconds(Callback):
    """Keeps in `seconds.json` what each phase took, so that the parts of a run add up.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "seconds.json"
        self._before: dict[str, float] = {}
        self._noted = monotonic()
        try:
            noted = json.loads(self._path.read_bytes())
            self._before = {str(phase): float(spent) for phase, spent in noted.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            pass  # nothing was noted: no part has run for long

    def total(self, search: Search) -> dict[str, float]:
        """Seconds by phase, of the parts before and of this one."""
        phases = {**self._before, **search.phases}
        return {phase: self._before.get(phase, 0.0) + search.phases.get(phase, 0.0) for phase in phases}

    def on_trial(self, search: Search, trial: Trial) -> None:
        """Note, now and then."""
        if monotonic() - self._noted > _EVERY:
            self._note(search)

    def on_end(self, search: Search) -> None:
        """Note."""
        self._note(search)

    def _note(self, search: Search) -> None:
        self._path.write_text(json.dumps(self.total(search)) + "\n", encoding="utf-8")
        self._noted = monotonic()
