"""What is told of a search while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from nas._output import console
from nas.budget import Budget
from nas.search.trial import Trial

if TYPE_CHECKING:
    from nas.search.search import Search

_DRAWN = 0.1  # seconds between two looks of the bar


class Callback:
    """Is told what happens; a subclass overrides what it wants to hear."""

    def on_start(self, search: Search, budget: Budget) -> None:
        """The search begins or goes on; trials that are recorded are there already."""

    def on_trial(self, search: Search, trial: Trial) -> None:
        """A trial is done and recorded."""

    def on_end(self, search: Search) -> None:
        """The search has ended, however it ended."""


class Callbacks(Callback):
    """Tells several, in order.

    Args:
        callbacks: who is told.
    """

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self._callbacks = list(callbacks)

    def on_start(self, search: Search, budget: Budget) -> None:
        """Tell all."""
        for callback in self._callbacks:
            callback.on_start(search, budget)

    def on_trial(self, search: Search, trial: Trial) -> None:
        """Tell all."""
        for callback in self._callbacks:
            callback.on_trial(search, trial)

    def on_end(self, search: Search) -> None:
        """Tell all."""
        for callback in self._callbacks:
            callback.on_end(search)


class Progress(Callback):
    """A bar of trials with the incumbent, and how many failed; recorded trials are shown from the start."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shown = 0.0

    def on_start(self, search: Search, budget: Budget) -> None:
        """Show the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        best, failed = TextColumn("best {task.fields[best]}"), TextColumn("{task.fields[failed]}")
        columns = TextColumn(budget.unit), BarColumn(), MofNCompleteColumn(), best, failed, TimeElapsedColumn()
        self._bar = Progress(*columns, console=console())
        self._task = self._bar.add_task("search", total=int(budget.amount), best="-", failed="")
        self._bar.start()
        self._show(search)

    def on_trial(self, search: Search, trial: Trial) -> None:
        """Move the bar, as often as it is drawn."""
        if monotonic() - self._shown > _DRAWN:
            self._show(search)

    def on_end(self, search: Search) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._show(search)
            self._bar.stop()

    def _show(self, search: Search) -> None:
        trials = search.trials
        failed = f"{trials.failures} failed" if trials.failures else ""
        best = "-" if trials.best is None else f"{trials.best.values[trials.value_name]:.5f}"
        self._bar.update(self._task, completed=int(search.spending.spent), best=best, failed=failed)
        self._shown = monotonic()
