"""What a finished search leaves: `result.json` and two figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas._drawing import attempt
from nas._version import __version__
from nas.benchmarks import benchmark_of
from nas.compare.metrics import expected_best_of_random, incumbents
from nas.errors import UserError
from nas.search.journal import write_whole
from nas.search.plots import draw_cell, draw_progress
from nas.search.search import Search
from nas.search.trial import Trial
from nas.types import Batch, Evaluator, Reference, Values


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
        best, values = trials.best, trials.value
        batch = space.batch(trials.genes)
        best_so_far = incumbents(values)[-trials.charged :]
        test = _test_accuracy(evaluator, search, batch)
        reference = evaluator.reference()
        exact = reference is not None and np.array_equal(reference.signal, reference.test, equal_nan=True)
        recommended = best if exact else search.recommended() or best
        random = random_test = None
        if reference is not None:
            random = expected_best_of_random(reference.signal, len(best_so_far))
            random_test = expected_best_of_random(reference.signal, len(best_so_far), reference.test)
    leaders = _leaders(values)[-trials.charged :]
    the_best = batch.take(slice(best.step, best.step + 1))
    result = {
        "version": __version__,
        **about,
        "best": _described(best, search, batch, test),
        "recommended": _described(recommended, search, batch, test),
        "failures": trials.failures,
        "test_regret": None if test is None or reference is None else _finite(reference.test.max() - test[best.step]),
        "best_of_space": None if reference is None else _best_of_space(reference),
        "incumbent_value": _filled(values, leaders),
        "incumbent_test_accuracy": None if test is None else _filled(test, leaders),
        "random_search_expected_value": None if random is None else random.tolist(),
        "random_search_expected_test_accuracy": None if random_test is None else random_test.tolist(),
        "cumulative_cost_seconds": _cumulative_cost(search),
        "observed_seconds": round(float(trials.estimate_seconds[~trials.warm].sum()), 3),
        "wall_seconds": {name: round(spent, 3) for name, spent in seconds(search).items()},
    }
    write_whole(folder / "result.json", json.dumps(result, indent=1, allow_nan=False, default=_plain) + "\n")
    title = f"{best.key}: {best.values[trials.value_name]:.4f}"
    progress, cell = folder / "progress.png", folder / "best_cell.png"
    attempt(progress.name, lambda: draw_progress(best_so_far, random, evaluator.identity()).savefig(progress, dpi=120))
    attempt(cell.name, lambda: draw_cell(cell, the_best.graphs, title))
    return result


def _described(trial: Trial, search: Search, batch: Batch, test: Values | None) -> dict[str, Any]:
    """What is told of one of the trials, whose architectures are the batch."""
    return {
        "step": trial.step,
        "key": trial.key,
        "digest": benchmark_of(search.space).names(batch.genes[trial.step : trial.step + 1])[0],
        "genes": batch.canonical[trial.step].tolist(),
        "value": trial.values[search.trials.value_name],
        "values": trial.values,
        "test_accuracy": None if test is None else _finite(test[trial.step]),
    }


def _test_accuracy(evaluator: Evaluator, search: Search, batch: Batch) -> Values | None:
    """Take what the evaluator told with each evaluation, else ask it."""
    told = search.trials.detail("test_accuracy")
    if any(accuracy is not None for accuracy in told):
        return np.array([np.nan if accuracy is None else accuracy for accuracy in told])
    return evaluator.test(batch)


def _leaders(values: Values) -> list[int | None]:
    """After each evaluation the first row that has the best value; None until one succeeded."""
    best = np.fmax.accumulate(np.where(np.isnan(values), -np.inf, values))
    rises = np.flatnonzero(np.concatenate([best[:1] > -np.inf, best[1:] > best[:-1]]))
    place = np.searchsorted(rises, np.arange(len(values)), side="right") - 1
    return [int(rises[row]) if row >= 0 else None for row in place]


def _best_of_space(reference: Reference) -> dict[str, float]:
    return {"value": float(reference.signal.max()), "test_accuracy": float(reference.test.max())}


def _cumulative_cost(search: Search) -> list[float | None]:
    """Training seconds up to each evaluation, in their order, those of estimates included.

    None from the first one on whose seconds are unknown. What was known before the search is charged to nobody.
    """
    totals = np.cumsum(search.trials.charges)
    return [None if np.isnan(total) else round(float(total), 3) for total in totals]


def _filled(column: Values, leaders: list[int | None]) -> list[float | None]:
    return [None if leader is None else _finite(column[leader]) for leader in leaders]


def _finite(number: Any) -> float | None:
    """None where it is unknown, as the test accuracy of a trial that was known before."""
    return float(number) if np.isfinite(number) else None


def _plain(number: Any) -> Any:
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{type(number).__name__} cannot be written as JSON")
