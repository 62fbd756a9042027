"""Runs grouped by method."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from nas.compare.runs import Run
from nas.errors import UserError

_GROUPS = ("strategy", "estimator", "encoder", "acquisition", "scheduler")  # that make a method


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
    if _choices(run)["scheduler"] == "full":  # as before there were others
        config.pop("scheduler", None)
    left_out = {
        "space": ("path",),
        "evaluator": ("path", "seed", *run.measured_on),
        "estimator": ("seed",),  # some are seeded with the run's, which the record has in place of the reference to it
    }
    for part, names in left_out.items():
        config[part] = {key: value for key, value in (config.get(part) or {}).items() if key not in names}
    config["evaluator"] = {name: value for name, value in config["evaluator"].items() if value is not None}
    if config["evaluator"].get("workers") == 1:  # as before tables had any
        del config["evaluator"]["workers"]
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
    chosen = {group: run.choices.get(group) or _short(run.config.get(group) or {}, "_target_") for group in _GROUPS}
    return {**chosen, "scheduler": "full" if chosen["scheduler"] in ("absent", "Full") else chosen["scheduler"]}


def _base(run: Run) -> str:
    chosen = _choices(run)
    if (experiment := run.choices.get("experiment")) is None:
        scheduler = "" if chosen["scheduler"] == "full" else f" + {chosen['scheduler']}"
        return f"{chosen['strategy']} + {chosen['estimator']}{scheduler}"
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
