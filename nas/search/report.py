"""What a finished search leaves: `result.json` and two figures."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas._drawing import attempt
from nas._version import __version__
from nas.benchmarks import benchmark_of
from nas.compare.metrics import expected_best_of_random
from nas.errors import UserError
from nas.search.course import Course
from nas.search.journal import write_whole
from nas.search.plots import draw_cell, draw_progress
from nas.search.search import Search
from nas.search.trial import Trial
from nas.search.trials import Trials
from nas.types import Batch, Evaluator, Reference, Values

_log = logging.getLogger("nas.search")


def write_report(
    folder: Path,
    search: Search,
    evaluator: Evaluator,
    about: Mapping[str, Any],
    seconds: Callable[[Search], dict[str, float]],
) -> dict[str, Any]:
    """Write `result.json`, and the figures `progress.png` and `best_cell.png` where they can be drawn.

    The test accuracy is read here for the first time: nothing of the search depends on it unless it is the signal.

    Args:
        folder: of the run.
        search: that has ended.
        evaluator: that measured.
        about: what else `result.json` tells of the run.
        seconds: wall seconds by phase, of all parts of the run.

    Returns:
        What `result.json` holds.

    Raises:
        UserError: no evaluation succeeded.
    """
    trials, space = search.trials, search.space
    if trials.best is None:
        raise UserError(f"all {len(trials)} evaluations failed; the first: {trials[0].error}")
    with search.phases("report"):
        batch = space.batch(trials.genes)
        course = Course.of(search, about.get("stopped") is not None)
        best, late = _in_time(trials, course)
        test = _test_accuracy(evaluator, search, batch)
        reference = evaluator.reference()
        exact = reference is not None and np.array_equal(reference.signal, reference.test, equal_nan=True)
        whole = course.counted if course.counted is not None and len(course.counted) else None
        recommended = best if exact else search.recommended(whole) or best
        random = random_test = None
        if reference is not None and course.draws is not None:
            random = _random(reference.signal, course.draws)
            random_test = _random(reference.signal, course.draws, reference.test)
    for line in late:
        _log.warning(line)
    the_best = batch.take(slice(best.step, best.step + 1))
    result = {
        "version": __version__,
        **about,
        "best": _described(best, search, batch, test),
        "recommended": _described(recommended, search, batch, test),
        "unit": course.unit,
        "evaluations": trials.charged,
        "trained_to_the_end": int((~trials.warm[trials.whole]).sum()),
        "spent": search.spending.spent,
        "failures": trials.failures,
        "test_regret": None
        if test is None or reference is None or best.partial
        else _finite(reference.test.max() - test[best.step]),
        "best_of_space": None if reference is None else _best_of_space(reference),
        "incumbent_value": course.of_column(trials.value),
        "incumbent_test_accuracy": None if test is None else course.of_column(test),
        "random_search_expected_value": random,
        "random_search_expected_test_accuracy": random_test,
        "cumulative_cost_seconds": [None if np.isnan(cost) else round(float(cost), 3) for cost in course.cost],
        "observed_seconds": round(course.observed, 3),
        "wall_seconds": {name: round(spent, 3) for name, spent in seconds(search).items()},
    }
    write_whole(folder / "result.json", json.dumps(result, indent=1, allow_nan=False, default=_plain) + "\n")
    title = f"{best.key}: {best.values[trials.value_name]:.4f}"
    progress, cell = folder / "progress.png", folder / "best_cell.png"
    curve = np.array(result["incumbent_value"], dtype=np.float64)
    expected = None if random is None else np.array(random, dtype=np.float64)
    unit = course.unit if course.unit == "evaluations" else f"% of {search.spending.budget}"
    about_it = evaluator.identity()
    if np.isfinite(curve).any():
        attempt(progress.name, lambda: draw_progress(curve, expected, about_it, unit).savefig(progress, dpi=120))
    attempt(cell.name, lambda: draw_cell(cell, the_best.graphs, title))
    return result


def _in_time(trials: Trials, course: Course) -> tuple[Trial, list[str]]:
    """The best trial that was known before the budget was spent, and what is to be said of those that were not."""
    best = trials.best
    assert best is not None
    if best.partial:
        return best, [
            f"no candidate was trained to the end: the best is told as it is after {best.epochs} epochs, and no test "
            f"accuracy; give the search a larger budget"
        ]
    if course.counted is None:
        return best, []
    late = np.setdiff1d(trials.whole, course.counted)
    if course.last is None:
        return best, ["no candidate was trained to the end within the budget: what is told is of trainings after it"]
    counted = trials[course.last]
    better = late[trials.value[late] > trials.value[counted.step]]
    if not len(better):
        return counted, []
    told = f"the best of them has {trials.value[better].max():.5f}; to let it count, go on with a larger budget"
    return counted, [f"{len(better)} better candidates were trained to the end after the budget was spent: {told}"]


def _described(trial: Trial, search: Search, batch: Batch, test: Values | None) -> dict[str, Any]:
    """What is told of one of the trials, whose architectures are the batch."""
    return {
        "step": trial.step,
        "key": trial.key,
        "digest": benchmark_of(search.space).names(batch.genes[trial.step : trial.step + 1])[0],
        "genes": batch.canonical[trial.step].tolist(),
        "value": trial.values[search.trials.value_name],
        "values": trial.values,
        "epochs": trial.epochs,
        "partial": trial.partial,
        "test_accuracy": None if test is None or trial.partial else _finite(test[trial.step]),
    }


def _test_accuracy(evaluator: Evaluator, search: Search, batch: Batch) -> Values | None:
    """Take what the evaluator told with each evaluation, else ask it."""
    told = search.trials.detail("test_accuracy")
    if any(accuracy is not None for accuracy in told):
        return np.array([np.nan if accuracy is None else accuracy for accuracy in told])
    return evaluator.test(batch)


def _random(signal: Values, draws: list[int], reported: Values | None = None) -> list[float | None]:
    """What random search is expected to have after so many whole trainings; None before the first."""
    expected = expected_best_of_random(signal, min(max(draws[-1], 1), len(signal)), reported).tolist()
    return [None if n < 1 else expected[min(n, len(expected)) - 1] for n in draws]


def _best_of_space(reference: Reference) -> dict[str, float]:
    return {"value": float(reference.signal.max()), "test_accuracy": float(reference.test.max())}


def _finite(number: Any) -> float | None:
    """None where it is unknown, as the test accuracy of a trial that was known before."""
    return float(number) if np.isfinite(number) else None


def _plain(number: Any) -> Any:
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{type(number).__name__} cannot be written as JSON")
