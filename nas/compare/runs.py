"""Finished runs, read from their folders and grouped by method."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.types import Values

_GROUPS = ("strategy", "estimator", "encoder", "acquisition")  # that make a method
_NAMED = 3  # differences between runs, at most


@dataclass(frozen=True, eq=False)
class Run:
    """What one run found, by number of evaluations; NaN: not known.

    Attributes:
        folder: where it is.
        config: its options.
        choices: the option of each configuration group, where they were recorded.
        measured_on: what was measured; runs that differ in it are never compared.
        seed: its seed.
        budget: evaluations it was given.
        best_of_space: the best `value` and `test_accuracy` of the whole space, or None.
        value: `(budget,)` the best value so far.
        test_accuracy: `(budget,)` the test accuracy of the architecture with that value.
        recommended: the test accuracy of the recommended trial at the end; NaN: not known.
        cost: `(budget,)` training seconds spent so far.
        random_value: `(budget,)` the expected best value of random search.
        random_test_accuracy: `(budget,)` the expected test accuracy of that best.
        seconds: wall seconds by phase, of all its parts; None: not known.
        evaluations: how many it did, at most `budget`: it was stopped, or the space was used up.
    """

    folder: Path
    config: dict[str, Any]
    choices: dict[str, str]
    measured_on: dict[str, str]
    seed: int
    budget: int
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
    except FileNotFoundError as error:
        raise UserError(f"{folder} is unfinished: continue it with resume={folder}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise UserError(f"{path} has no {error.args[0]!r}: damaged, or written by an older version") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def _run(folder: Path, result: dict[str, Any]) -> Run:
    budget = int(result["budget"])
    names = ("incumbent_value", "incumbent_test_accuracy", "cumulative_cost_seconds",
             "random_search_expected_value", "random_search_expected_test_accuracy")  # fmt: skip
    value, test, cost, random_value, random_test = (_column(name, result[name], budget) for name in names)
    if not np.isfinite(value[-1]):
        raise ValueError("incumbent_value has no finite last value")
    best, advice = result["best_of_space"], result.get("recommended", {}).get("test_accuracy")
    seconds = {str(phase): float(spent) for phase, spent in result["wall_seconds"].items()}
    return Run(
        folder, dict(result["config"]), dict(result["choices"]), dict(result["measured_on"]),
        int(result["seed"]), budget,
        None if best is None else {"value": float(best["value"]), "test_accuracy": float(best["test_accuracy"])},
        value, test, np.nan if advice is None else float(advice), cost, random_value, random_test, seconds,
        len(result["incumbent_value"]),
    )  # fmt: skip


def _column(name: str, numbers: list[float | None] | None, budget: int) -> Values:
    """A curve; where the space was used up before the budget was, its end is what would have stayed."""
    if numbers is None:
        return np.full(budget, np.nan)
    column = np.array(numbers, dtype=np.float64)
    if column.ndim != 1 or not 1 <= len(column) <= budget:
        raise ValueError(f"{name} has shape {column.shape}, the budget is {budget}")
    return np.pad(column, (0, budget - len(column)), mode="edge")


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
    return {**{key: value for key, value in run.measured_on.items() if key != "seed"}, "budget": run.budget}


def _named(runs: list[Run]) -> str:
    return str(runs[0].folder) + (f" (and {len(runs) - 1} more)" if len(runs) > 1 else "")


def by_method(runs: list[Run]) -> tuple[dict[str, list[Run]], list[str]]:
    """Group runs whose options differ in the seed only, and name each group by what it is.

    The name is the `experiment` it was started with and the choices that are not the experiment's own, else its
    strategy and estimator; methods that share that also tell the choices in which they differ, and those that still
    share all of it the options in which they differ.

    Returns:
        Runs by method, ordered by seed, each seed once; and a line for each repetition that was left out.

    Raises:
        UserError: two runs of one method and one seed found different things.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    options: dict[str, dict[str, Any]] = {}
    for run in runs:
        leaves = dict(_leaves(_method(run)))
        key = json.dumps(leaves, sort_keys=True)
        options[key] = leaves
        groups[key].append(run)
    left_out: list[str] = []
    for key, group in groups.items():
        groups[key] = _each_seed_once(group, left_out)
    names = {key: _base(_named_run(group)) for key, group in groups.items()}
    names = _told_apart(names, {key: _choices(_named_run(group)) for key, group in groups.items()})
    names = _told_apart(names, options)
    named = {names[key]: group for key, group in groups.items()}
    return named, left_out


def _method(run: Run) -> dict[str, Any]:
    """The options without the seeds, and without what `measured_on` tells or what cannot change the outcome."""
    config = {key: value for key, value in run.config.items() if key not in ("seed", "table", "dataset", "executor")}
    left_out = {
        "space": ("path",),
        "evaluator": ("path", "seed", *run.measured_on),
        "estimator": ("seed",),  # some are seeded with the run's, which the record has in place of the reference to it
    }
    for part, names in left_out.items():
        config[part] = {key: value for key, value in (config.get(part) or {}).items() if key not in names}
    return config


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, node


def _told_apart(names: dict[str, str], options: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Add to each name that several have the options in which these differ."""
    same_name: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        same_name[name].append(key)
    result = {}
    for name, keys in same_name.items():
        every = dict.fromkeys(option for key in keys for option in options[key])
        telling = [option for option in every if len({repr(options[key].get(option, "")) for key in keys}) > 1]
        for key in keys:
            told = [f"{option.removesuffix('._target_')}={_short(options[key], option)}" for option in telling]
            result[key] = ", ".join([name, *told])
    return result


def _short(options: dict[str, Any], name: str) -> str:
    value = options.get(name, "absent")
    return str(value).rpartition(".")[2] if name.endswith("_target_") else str(value)


def _named_run(runs: list[Run]) -> Run:
    return next((run for run in runs if "experiment" in run.choices), runs[0])


def _choices(run: Run) -> dict[str, str]:
    """What was chosen of each group that makes a method; the class, where that was not recorded."""
    return {group: run.choices.get(group) or _short(run.config.get(group) or {}, "_target_") for group in _GROUPS}


def _base(run: Run) -> str:
    chosen = _choices(run)
    if (experiment := run.choices.get("experiment")) is None:
        return f"{chosen['strategy']} + {chosen['estimator']}"
    own = _choices_of(experiment)
    changed = [
        chosen[group] for group in _GROUPS if group in run.choices and own.get(group, chosen[group]) != chosen[group]
    ]
    return " + ".join([experiment, *changed])


@cache
def _choices_of(experiment: str) -> dict[str, str | None]:
    """What an experiment itself chooses of each group; nothing, where it is not known here."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    from nas._config import config_folder, register

    register()
    try:
        with initialize_config_dir(config_folder(), version_base="1.3"):
            composed = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    except HydraException:
        return {}
    return {str(group): name for group, name in composed.hydra.runtime.choices.items()}


def _each_seed_once(runs: list[Run], left_out: list[str]) -> list[Run]:
    by_seed: dict[int, Run] = {}
    for run in runs:
        first = by_seed.setdefault(run.seed, run)
        if first is run:
            continue
        if not np.array_equal(first.value, run.value, equal_nan=True):
            raise UserError(
                f"{first.folder} and {run.folder} are the same method with the same seed {run.seed}, "
                f"but found different values: leave one out"
            )
        left_out.append(f"{run.folder} repeats {first.folder}")
    return [by_seed[seed] for seed in sorted(by_seed)]
