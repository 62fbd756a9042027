"""Finished runs, read from their folders and grouped by method."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.budget import Budget
from nas.errors import UserError
from nas.types import Values

_NAMED = 3  # differences between runs, at most


@dataclass(frozen=True, eq=False)
class Run:
    """What one run found, by evaluations or by percent of its budget: the `p` points; NaN: not known.

    Attributes:
        folder: where it is.
        config: its options.
        choices: the option of each configuration group, where they were recorded.
        measured_on: what was measured; runs that differ in it are never compared.
        seed: its seed.
        budget: what it was given, as its option says it.
        points: how many there are: the evaluations it was given, or 100 parts of its budget.
        unit: what they are.
        best_of_space: the best `value` and `test_accuracy` of the whole space, or None.
        value: `(p,)` the best value so far.
        test_accuracy: `(p,)` the test accuracy of the architecture with that value.
        recommended: the test accuracy of the recommended trial at the end; NaN: not known.
        cost: `(p,)` training seconds spent so far.
        random_value: `(p,)` the expected best value of random search.
        random_test_accuracy: `(p,)` the expected test accuracy of that best.
        seconds: wall seconds by phase, of all its parts; None: not known.
        evaluations: how many points it reached: it was stopped, or the space was used up.
    """

    folder: Path
    config: dict[str, Any]
    choices: dict[str, str]
    measured_on: dict[str, str]
    seed: int
    budget: int | str
    points: int
    unit: str
    best_of_space: dict[str, float] | None
    value: Values
    test_accuracy: Values
    recommended: float
    cost: Values
    random_value: Values
    random_test_accuracy: Values
    seconds: dict[str, float] | None
    evaluations: int


def read_runs(folders: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Read every finished run in some folders and below them.

    Returns:
        The runs by folder name, each once, and a line for each that was left out: unfinished, damaged, or a
        repetition with the same outcome.

    Raises:
        UserError: a folder does not exist, or there is no finished run.
    """
    runs, left_out = [], []
    for folder in _run_folders(folders):
        try:
            runs.append(_read(folder))
        except UserError as error:
            left_out.append(str(error))
    if not runs:
        places = ", ".join(str(folder) for folder in folders)
        raise UserError(
            f"no finished run in {places}" + (f" ({len(left_out)} left out: {left_out[0]})" if left_out else "")
        )
    return runs, left_out


def _run_folders(folders: Iterable[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for start in folders:
        if not start.is_dir():
            raise UserError(f"{start} is no folder: name the folder of a run or of a sweep")
        for folder, below, files in os.walk(start):
            if "result.json" in files or "history.jsonl" in files:
                below.clear()
                found.setdefault(Path(folder).resolve(), Path(folder))
    return sorted(found.values())


def _read(folder: Path) -> Run:
    path = folder / "result.json"
    try:
        result = json.loads(path.read_bytes())
        return _run(folder, result)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{folder} is unfinished: continue it with resume={folder}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise UserError(f"{path} has no {error.args[0]!r}: damaged, or written by an older version") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def _run(folder: Path, result: dict[str, Any]) -> Run:
    budget = Budget.of(result["budget"])
    by_evaluations = result.get("unit", "evaluations") == "evaluations"
    points, unit = (int(budget.amount), "evaluations") if by_evaluations else (100, f"% of {budget}")
    names = ("incumbent_value", "incumbent_test_accuracy", "cumulative_cost_seconds",
             "random_search_expected_value", "random_search_expected_test_accuracy")  # fmt: skip
    value, test, cost, random_value, random_test = (_column(name, result[name], points) for name in names)
    if not np.isfinite(value[-1]):
        if not by_evaluations:
            raise UserError(f"{folder} knew no whole training within {budget}: give it more")
        raise ValueError("incumbent_value has no finite last value")
    best, advice = result["best_of_space"], result.get("recommended", {}).get("test_accuracy")
    seconds = {str(phase): float(spent) for phase, spent in result["wall_seconds"].items()}
    return Run(
        folder, dict(result["config"]), dict(result["choices"]), dict(result["measured_on"]),
        int(result["seed"]), budget.written, points, unit,
        None if best is None else {"value": float(best["value"]), "test_accuracy": float(best["test_accuracy"])},
        value, test, np.nan if advice is None else float(advice), cost, random_value, random_test, seconds,
        len(result["incumbent_value"]),
    )  # fmt: skip


def _column(name: str, numbers: list[float | None] | None, points: int) -> Values:
    """A curve; where the space was used up before the budget was, its end is what would have stayed."""
    if numbers is None:
        return np.full(points, np.nan)
    column = np.array(numbers, dtype=np.float64)
    if column.ndim != 1 or not 1 <= len(column) <= points:
        raise ValueError(f"{name} has shape {column.shape}, the budget is {points}")
    return np.pad(column, (0, points - len(column)), mode="edge")


def check_comparable(runs: list[Run]) -> None:
    """Refuse runs that were measured on different things, or with different budgets.

    The seed of a training evaluator may differ: it is repeated with the run's.

    Raises:
        UserError: says which runs differ, and in what.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[json.dumps(_measure(run), sort_keys=True)].append(run)
    if len(groups) > 1:
        one, other = list(groups.values())[:2]
        differ = [
            f"{key} {_measure(one[0]).get(key)} and {_measure(other[0]).get(key)}"
            for key in dict.fromkeys([*_measure(one[0]), *_measure(other[0])])
            if _measure(one[0]).get(key) != _measure(other[0]).get(key)
        ]
        more = [f"{len(differ) - _NAMED} more"] if len(differ) > _NAMED else []
        raise UserError(
            f"{_named(one)} cannot be compared with {_named(other)}: they have "
            f"{', '.join([*differ[:_NAMED], *more])}: compare them apart"
        )


def _measure(run: Run) -> dict[str, Any]:
    measured_on = {key: value for key, value in run.measured_on.items() if key != "seed"}
    return {**measured_on, "budget": run.budget, "unit": run.unit}


def _named(runs: list[Run]) -> str:
    return str(runs[0].folder) + (f" (and {len(runs) - 1} more)" if len(runs) > 1 else "")
