"""What a search shows on the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas._output import console

if TYPE_CHECKING:
    from nas.search.journal import History


class LogLines(logging.StreamHandler):  # type: ignore[type-arg] # it takes one from Python 3.11 on
    """Log lines on a stream; where nobody reads it any more, whoever logs gets the BrokenPipeError."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (as logging calls it)
        """Raise what ends the program, and leave all else to the base class."""
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            raise  # logging calls this where it handles the error
        super().handleError(record)


@contextmanager
def progress(budget: int) -> Iterator[Callable[[History], None]]:
    """Show a bar of evaluations with the incumbent; gives the function that moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("evaluations"), BarColumn(), MofNCompleteColumn(), TextColumn("best {task.fields[best]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console()) as bar:
        task = bar.add_task("search", total=budget, best="-")

        def show(history: History) -> None:
            best = f"{history.values[history.known].max():.5f}" if len(history.known) else "-"
            bar.update(task, completed=len(history), best=best)

        yield show


def print_summary(result: dict[str, Any], folder: Path) -> None:
    """Say what was found, on what it was measured, and where the rest is."""
    best = result["best"]
    random = result["random_search_expected_value"]
    expected = f"; random search: {random[-1]:.5f} expected" if random else ""
    done = len(result["incumbent_value"])  # fewer than the budget where the space was used up
    print(f"best after {done} evaluations: {best['value']:.5f} (found at {best['step'] + 1}){expected}")
    if best["test_accuracy"] is not None:
        regret = "" if result["test_regret"] is None else f", regret {result['test_regret']:.5f}"
        print(f"test accuracy {best['test_accuracy']:.5f}{regret}")
    print(f"cell {best['key']} (known as {best['digest']})")
    print("measured on " + ", ".join(f"{name} {value}" for name, value in result["measured_on"].items()))
    print("seconds: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in result["wall_seconds"].items()))
    print(f"everything else in {folder}")
