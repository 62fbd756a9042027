"""What a finished search leaves: `result.json` and two figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nas import __version__
from nas.config import SearchConfig
from nas.history import History, write_whole
from nas.loop import Phases
from nas.metrics import expected_best_of_random, incumbents
from nas.plots import draw_cell, draw_progress
from nas.types import Evaluator, Space


def write_report(
    folder: Path, config: SearchConfig, space: Space, evaluator: Evaluator, history: History, phase: Phases
) -> dict[str, Any]:
    """Write `progress.png`, `best_cell.png` and, last, `result.json`; return the content of the latter.

    The test accuracy is read here for the first time: nothing of the search depends on it unless it is the signal.
    """
    with phase("report"):
        values, archs = history.values, history.archs
        best = int(values.argmax())
        test = evaluator.test(archs)
        reference = evaluator.reference()
        random = expected_best_of_random(reference.signal, len(values)) if reference else None
        draw_progress(folder / "progress.png", incumbents(values), random, evaluator.identity())
        title = f"{history.trials[best].key}: {values[best]:.4f}"
        draw_cell(folder / "best_cell.png", space.graphs(archs[best : best + 1]), title)
    leaders = [int(values[: n + 1].argmax()) for n in range(len(values))]
    result = {
        "version": __version__,
        "measured_on": evaluator.identity(),
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
        "test_regret": None if test is None or reference is None else reference.optimum - test[best],
        "incumbent_value": values[leaders].tolist(),
        "incumbent_test_accuracy": None if test is None else test[leaders].tolist(),
        "random_search_expected_value": None if random is None else random.tolist(),
        "resumed_at": len(history.recorded) or None,
        "wall_seconds": {name: round(seconds, 3) for name, seconds in phase.items()},
    }
    write_whole(folder / "result.json", json.dumps(result, indent=1, allow_nan=False, default=_plain) + "\n")
    return result


def _plain(number: Any) -> Any:
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"{type(number).__name__} cannot be written as JSON")
