"""What a search shows on the terminal at its end."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any


class LogLines(logging.StreamHandler):  # type: ignore[type-arg] # it takes one from Python 3.11 on
    """Log lines on a stream; where it cannot be written, whoever logs gets the OSError, such as BrokenPipeError."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (as logging calls it)
        """Raise what ends the program, and leave all else to the base class."""
        if isinstance(sys.exc_info()[1], OSError):
            raise  # logging calls this where it handles the error
        super().handleError(record)


def print_summary(result: dict[str, Any], folder: Path) -> None:
    """Say what was found, on what it was measured, and where the rest is."""
    best = result["best"]
    random = result["random_search_expected_value"]
    done = result.get("evaluations", len(result["incumbent_value"]))  # fewer than the budget where the space is used up
    whole = result.get("trained_to_the_end", done)
    by_evaluations = result.get("unit", "evaluations") == "evaluations"  # as it always was at first
    count = f"{done} evaluations" if by_evaluations else f"{done} candidates, {whole} of them whole"
    alike = "random search" if by_evaluations else "random search in whole trainings"
    expected = f"; {alike}: {random[-1]:.5f} expected" if random and random[-1] is not None else ""
    print(f"best after {count}: {best['value']:.5f} ({_found(result)}){expected}")
    if best["test_accuracy"] is not None:
        regret = "" if result["test_regret"] is None else f", regret {result['test_regret']:.5f}"
        print(f"test accuracy {best['test_accuracy']:.5f}{regret}")
    print(f"cell {best['key']} (known as {best['digest']})")
    advice = result["recommended"]
    if advice["step"] != best["step"]:
        test = "" if advice["test_accuracy"] is None else f", test accuracy {advice['test_accuracy']:.5f}"
        print(
            f"recommended by value and posterior mean: {advice['value']:.5f}{test}\n"
            f"cell {advice['key']} (known as {advice['digest']})"
        )
    cost = result["cumulative_cost_seconds"][-1]
    if result["observed_seconds"] and cost is not None:
        print(
            f"cost {cost:,.0f} s, of which {result['observed_seconds']:,.0f} s to observe what the estimator asks for"
        )
    if result["failures"]:
        print(f"{result['failures']} evaluations failed")
    if result["deaths"]:
        print(f"{result['deaths']} worker processes died, and were replaced")
    print("measured on " + ", ".join(f"{name} {value}" for name, value in result["measured_on"].items()))
    print("seconds: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in result["wall_seconds"].items()))
    print(f"everything else in {folder}")


def _found(result: dict[str, Any]) -> str:
    """When the best was known."""
    place = result["best"]["step"] - result["warm_trials"]
    if place < 0:
        return "known before"
    if result.get("unit", "evaluations") == "evaluations":
        return f"found at {place + 1}"
    reached = [at for at, value in enumerate(result["incumbent_value"], 1) if value == result["best"]["value"]]
    epochs = f"after {result['best']['epochs']} epochs" if result["best"]["partial"] else "known after the budget"
    return f"known after {reached[0]} % of the budget" if reached else epochs
