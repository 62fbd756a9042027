"""One run in its folder: parts are built, the search is run or continued, and its result written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas._config import SearchConfig, build, differences
from nas.errors import UserError
from nas.objectives import Objective
from nas.search._messages import override
from nas.search.console import progress
from nas.search.journal import History, write_whole
from nas.search.loop import Budget, Phases, search
from nas.types import Evaluator

_DATA = ("space", "dataset", "evaluator")  # parts whose `path` names a file with data
_TOLD = 5  # differences between two configurations, at most


def run(config: SearchConfig, folder: Path, choices: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Search, or continue the search that `folder` holds; return the content of its `result.json`.

    Args:
        config: what to run.
        folder: where to.
        choices: which option of each configuration group it came from, to be recorded; None: not known.

    Raises:
        UserError: the configuration cannot be run, or is not the one that `folder` records.
    """
    phase = Phases()
    with phase("setup"):
        nodes = {name: getattr(config, name) for name in ("space", "dataset", "executor")}
        parts = {name: build(node, name) for name, node in nodes.items() if node or name != "dataset"}
        objective: Objective = build(config.objective, "objective")
        evaluator: Evaluator = objective.restrict(build(config.evaluator, "evaluator", **parts))
        space = evaluator.space
        estimator = build(config.estimator, "estimator", space=space)
        strategy = build(config.strategy, "strategy", space=space, estimator=estimator, budget=config.budget)
        acquisition = build(config.acquisition, "acquisition")
    if acquisition.needs_std and not estimator.gives_std:
        raise UserError(
            f"acquisition is {type(acquisition).__name__}, which needs standard deviations, "
            f"but {type(estimator).__name__} gives none: choose acquisition=mean or another estimator"
        )
    if config.budget > config.initial < estimator.min_trials:
        raise UserError(
            f"initial is {config.initial}, must be at least {estimator.min_trials}: "
            f"the estimator needs as many known architectures (estimator.k neighbours, where it has k)"
        )
    reference = evaluator.reference()
    if reference is not None and config.budget > len(reference.signal):
        raise UserError(f"budget is {config.budget}, must be at most {len(reference.signal)}: the table has no more")
    record = {**_options(config), "measured_on": evaluator.identity(), "choices": dict(choices or {})}
    _check(folder, record)  # before the history is read, which would look damaged to another space
    with History(folder / "history.jsonl", space) as history:
        if not _check(folder, record):
            write_whole(folder / "config.yaml", OmegaConf.to_yaml(record))
        if len(history.recorded) >= config.budget and (folder / "result.json").exists():
            result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            return result
        if config.budget > config.initial:
            with phase("prepare"):
                estimator.prepare()
        budget = Budget(config.budget, config.initial, config.pool, config.batch)
        with progress(config.budget) as on_trial, closing(evaluator):
            search(
                strategy,
                estimator,
                acquisition,
                evaluator,
                history,
                budget,
                seed=config.seed,
                phase=phase,
                on_trial=on_trial,
            )
        from nas.search.report import write_report  # brings the plotting libraries

        return write_report(folder, config, dict(choices or {}), space, evaluator, history, phase)


def _check(folder: Path, current: dict[str, Any]) -> bool:
    """Refuse a folder that holds a run with another configuration; tell whether it holds one."""
    before = recorded(folder)
    if before is not None and (changed := differences(_essential(before), _essential(current))):
        told = [line for line in changed if not line.startswith("measured_on.")] or changed  # it follows from the rest
        more = [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
        raise UserError(
            f"{folder} holds a run with another configuration: {'; '.join([*told[:_TOLD], *more])}: use another "
            f"folder, or continue it with {override('resume', folder)} and nothing else"
        )
    return before is not None


def _essential(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what may change between two parts of a run: where it trains, where its data lie (`measured_on`
    has their digests), and how the options were chosen."""
    kept = {name: node for name, node in record.items() if name not in ("executor", "choices")}
    pathless = {name: {**node, "path": None} for name, node in kept.items() if name in _DATA and isinstance(node, dict)}
    return {**kept, **pathless}


def make_absolute(options: dict[str, Any]) -> None:
    """Let options name files as they are found from any folder: a run may be continued or compared from another."""
    for node in map(options.get, _DATA):
        if isinstance(node, dict) and isinstance(path := node.get("path"), str) and path != MISSING:
            node["path"] = str(Path(path).absolute())


def _options(config: SearchConfig) -> dict[str, Any]:
    return {key: value for key, value in vars(config).items() if key != "resume"}


def recorded(folder: Path) -> dict[str, Any] | None:
    """The record of the run in a folder, or None. Raises UserError where it is damaged."""
    path = folder / "config.yaml"
    if not path.is_file():
        return None
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} is not the record of a run: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not the record of a run")
    return {str(key): value for key, value in content.items()}
