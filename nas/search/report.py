"""What a finished search leaves: `result.json` and two figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nas import __version__
from nas._config import SearchConfig
from nas._drawing import attempt
from nas.compare.metrics import expected_best_of_random, incumbents
from nas.errors import UserError
from nas.search.journal import History, write_whole
from nas.search.loop import Phases
from nas.search.plots import draw_cell, draw_progress
from nas.types import Evaluator, Reference, Space, Values


def write_report(
    folder: Path,
    config: SearchConfig,
    choices: dict[str, str],
    space: Space,
    evaluator: Evaluator,
    history: History,
    phase: Phases,
) -> dict[str, Any]:
    """Write `result.json` and, where they can be drawn, `progress.png` and `best_cell.png`; return the content of the
    first.

    The test accuracy is read here for the first time: nothing of the search depends on it unless it is the signal.
    """
    with phase("report"):
        values, archs = history.values, history.archs
        if not len(history.known):
            raise UserError(f"all {len(history)} evaluations failed; the first: {history.trials[0].error}")
        best, best_so_far = int(np.nanargmax(values)), incumbents(values)
        test = _test_accuracy(evaluator, history)
        reference = evaluator.reference()
        random = random_test = None
        if reference is not None:
            random = expected_best_of_random(reference.signal, len(values))
            random_test = expected_best_of_random(reference.signal, len(values), reference.test)
    leaders = [None if np.isnan(value) else int((values == value).argmax()) for value in best_so_far]
    result = {
        "version": __version__,
        "measured_on": evaluator.identity(),
        "config": {key: value for key, value in vars(config).items() if key != "resume"},
        "choices": choices,
        "seed": config.seed,
        "budget": config.budget,
        "best": {
            "step": best,
            "key": history.trials[best].key,
            "digest": space.digests(archs[best : best + 1])[0],
            "genes": space.canonical(archs[best : best + 1])[0].tolist(),
            "value": values[best],
            "test_accuracy": None if test is None else test[best],
        },
        "test_regret": None if test is None or reference is None else reference.test.max() - test[best],
        "best_of_space": None if reference is None else _best_of_space(reference),
        "incumbent_value": _filled(values, leaders),
        "incumbent_test_accuracy": None if test is None else _filled(test, leaders),
        "random_search_expected_value": None if random is None else random.tolist(),
        "random_search_expected_test_accuracy": None if random_test is None else random_test.tolist(),
        "cumulative_cost_seconds": _cumulative_cost(history),
        "resumed_at": len(history.recorded) or None,
        "wall_seconds": {name: round(seconds, 3) for name, seconds in phase.items()},
    }
    write_whole(folder / "result.json", json.dumps(result, indent=1, allow_nan=False, default=_plain) + "\n")

    def draw() -> None:
        draw_progress(best_so_far, random, evaluator.identity()).savefig(folder / "progress.png", dpi=120)

    attempt("progress.png", draw)
    title = f"{history.trials[best].key}: {values[best]:.4f}"
    attempt("best_cell.png", lambda: draw_cell(folder / "best_cell.png", space.graphs(archs[best : best + 1]), title))
    return result


def _test_accuracy(evaluator: Evaluator, history: History) -> Values | None:
    """Take what the evaluator told with each evaluation, else ask it."""
    told = [(trial.details or {}).get("test_accuracy") for trial in history.trials]
    if any(accuracy is not None for accuracy in told):
        return np.array([np.nan if accuracy is None else accuracy for accuracy in told])
    return evaluator.test(history.archs)


def _best_of_space(reference: Reference) -> dict[str, float]:
    return {"value": float(reference.signal.max()), "test_accuracy": float(reference.test.max())}


def _cumulative_cost(history: History) -> list[float | None]:
    """Training seconds up to each evaluation, in their order; None from the first one on whose seconds are unknown."""
    costs = [np.nan if trial.cost_seconds is None else trial.cost_seconds for trial in history.trials]
    return [None if np.isnan(total) else round(float(total), 3) for total in np.cumsum(costs)]


def _filled(column: Values, leaders: list[int | None]) -> list[float | None]:
    return [None if leader is None else float(column[leader]) for leader in leaders]


def _plain(number: Any) -> Any:
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{type(number).__name__} cannot be written as JSON")
