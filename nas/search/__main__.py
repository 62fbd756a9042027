"""Search for an architecture: `python -m nas.search space=nb101 estimator=emprox`."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas._config import SearchConfig, build, check_recorded, checked, config_folder, differences, explain, register
from nas.errors import UserError
from nas.objectives import Objective
from nas.search.console import print_summary, progress
from nas.search.journal import History, write_whole
from nas.search.loop import Budget, Phases, search
from nas.types import Evaluator

_DATA = ("space", "dataset", "evaluator")  # parts whose `path` names a file with data
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk; such an error names no file
_TOLD = 5  # differences between two configurations, at most
_log = logging.getLogger("nas.search")  # __name__ is __main__ when this is the program


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
    recorded = _recorded(folder)
    if recorded is not None and (changed := differences(_essential(recorded), _essential(current))):
        told = [line for line in changed if not line.startswith("measured_on.")] or changed  # it follows from the rest
        more = [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
        raise UserError(
            f"{folder} holds a run with another configuration: {'; '.join([*told[:_TOLD], *more])}: use another "
            f"folder, or continue it with resume={folder} and nothing else"
        )
    return recorded is not None


def _essential(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what may change between two parts of a run: where it trains, where its data lie (`measured_on`
    has their digests), and how the options were chosen."""
    kept = {name: node for name, node in record.items() if name not in ("executor", "choices")}
    pathless = {name: {**node, "path": None} for name, node in kept.items() if name in _DATA and isinstance(node, dict)}
    return {**kept, **pathless}


def _make_absolute(options: dict[str, Any]) -> None:
    """Let options name files as they are found from any folder: a run may be continued or compared from another."""
    for node in map(options.get, _DATA):
        if isinstance(node, dict) and isinstance(path := node.get("path"), str) and path != MISSING:
            node["path"] = str(Path(path).absolute())


def _options(config: SearchConfig) -> dict[str, Any]:
    return {key: value for key, value in vars(config).items() if key != "resume"}


def _recorded(folder: Path) -> dict[str, Any] | None:
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


def _task(composed: DictConfig) -> float:
    try:
        return _search(composed)
    except (UserError, OSError) as error:
        if (line := _one_line(error)) is None:
            raise
        raise SystemExit(line) from error  # anything else Hydra would announce with a line of its own
    except KeyboardInterrupt as stop:
        print(f"stopped: continue with resume={HydraConfig.get().runtime.output_dir}", file=sys.stderr)
        raise SystemExit(130) from stop


def _one_line(error: Exception) -> str | None:
    """What to tell the user of a mistake; None: it is to be seen with its traceback."""
    if "NAS_FULL_ERROR" in os.environ:
        return None
    if isinstance(error, HydraException | OmegaConfBaseException):  # some of which are OSErrors
        return f"error: {explain(error)}"
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return f"error: {error.strerror}: make room, and continue with resume=FOLDER: what was recorded is kept"
        return f"error: {error.filename}: {error.strerror}" if error.filename else None
    if isinstance(error, RuntimeError):
        return _of_launcher(error) if "submitit" in sys.modules else None
    return f"error: {error}"


def _of_launcher(error: RuntimeError) -> str:
    """Submitit tells of a failed job with all that the job said, of which the last may be a line of ours."""
    lines = str(error).splitlines()
    ours = [line for line in lines if line.startswith("error: ")]
    return ours[-1] if ours else f"error: {lines[0]}"


def _search(composed: DictConfig) -> float:
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    options: dict[str, Any] = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
    _make_absolute(options)
    groups: dict[str, str | None] = OmegaConf.to_container(job.runtime.choices)  # type: ignore[assignment]
    choices = {group: name for group, name in groups.items() if name is not None and not group.startswith("hydra/")}
    if options["resume"] is not None:
        if job.mode is RunMode.MULTIRUN:
            raise UserError("resume continues one run: to continue a sweep, start it again with hydra.sweep.dir=FOLDER")
        if not folder.samefile(options["resume"]):
            raise UserError(f"resume is {options['resume']!r}, but hydra.run.dir names {folder}: leave that out")
        if all(override.startswith("resume=") for override in job.overrides.task):
            options = {**(_recorded(folder) or {}), "resume": options["resume"]}
            for name, node in options.items():
                check_recorded(node, name)
            options.pop("measured_on", None)
            choices = options.pop("choices", {})
    _log.info("results go to %s", folder)
    result = run(checked(options), folder, choices)
    print_summary(result, folder)
    return float(result["best"]["value"])


def main() -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1.

    With `NAS_FULL_ERROR` in the environment it is a traceback, for who writes a part of their own.
    """
    register()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait make a busy machine crawl
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves its errors to us
    try:
        hydra.main(version_base="1.3", config_path=config_folder(), config_name="config")(_task)()
    except (UserError, HydraException, OmegaConfBaseException, OSError, RuntimeError) as error:
        if (line := _one_line(error)) is None:
            raise
        print(line, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
