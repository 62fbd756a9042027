"""One run in its folder: parts are built, the search is run or continued, and its result written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from nas._config import SearchConfig, checked, differences
from nas._version import __version__
from nas.budget import Budget
from nas.errors import UserError
from nas.search.build import Parts, build_parts
from nas.search.callbacks import Callback, Callbacks
from nas.search.checkpoints import Checkpoints
from nas.search.compose import Composed, composed_run, group_path
from nas.search.journal import Journal
from nas.search.loop import run_search
from nas.search.phases import Phases
from nas.search.record import (
    NO_RUN,
    check_same,
    existing,
    make_absolute,
    read_record,
    remove_traces,
    resumed,
    write_record,
)
from nas.search.result import Result, load
from nas.search.seconds import Seconds
from nas.search.warm import read_warm

_log = logging.getLogger("nas.search")
_UNRECORDED = ("resume", "retry_failed", "encoder")  # options of a part of a run, and what stands elsewhere

Function = Callable[[dict[str, str]], Any]


def run(
    *overrides: str,
    function: Function | None = None,
    folder: str | Path | None = None,
    callbacks: Iterable[Callback] = (),
) -> Result:
    """Search, as `python -m nas.search` does with the same overrides.

    Args:
        overrides: as on the command line, such as `estimator=ridge`; `resume=FOLDER` goes on with a run.
        function: what to search instead of a table or a training: gets a mapping from gene to choice, returns a number,
            or several by name of which `value` is searched; the higher, the better. An exception is a failed trial.
        folder: where the run is kept; None: a new folder in `outputs`.
        callbacks: are told what happens.

    Raises:
        UserError: an override is unknown or out of its range, or the run cannot be started or continued.
    """
    composed = composed_run(overrides, None if folder is None else Path(folder))
    there = existing(composed.folder)
    try:
        return run_composed(composed, function=function, callbacks=callbacks)
    except UserError:
        remove_traces(composed.folder, there)
        raise


def run_composed(composed: Composed, *, function: Function | None = None, callbacks: Iterable[Callback] = ()) -> Result:
    """Run what was composed, or go on with the run that `resume` names.

    Args:
        composed: what to run, and where.
        function: see `run`.
        callbacks: see `run`.

    Raises:
        UserError: the configuration cannot be run, or is not the one that `folder` records.
    """
    options, choices, folder = composed.options, composed.choices, composed.folder
    make_absolute(options)
    if (resume := options["resume"]) is not None:
        if not (Path(resume) / "config.yaml").is_file():
            raise UserError(f"resume is {resume!r}, which {NO_RUN}")
        if not (folder.exists() and folder.samefile(resume)):
            raise UserError(f"resume is {resume!r}, but the run is to be in {folder}: leave that out")
    before = read_record(folder)
    if before is not None and resume is not None:
        recorded = before.get("choices") or {}
        same = {group_path(group) for group, choice in choices.items() if choice == recorded.get(group)}
        changed = [path for path in composed.changed if path not in ("resume", *same)]
        options, choices = resumed(before, options, changed, composed.sources)
    if before is not None and function is None and (name := (before.get("measured_on") or {}).get("function")):
        raise UserError(f"the run in {folder} calls a function, {name}: go on with nas.load(...).resume(function=...)")
    if before is None and options["retry_failed"]:
        raise UserError(
            f"retry_failed is {options['retry_failed']}, but there is no earlier run: name it with resume=RUN"
        )
    config = checked(options)
    phases = Phases()
    with phases("setup"):
        parts = build_parts(config, function)
    parts.check(config)
    record = {
        **{name: node for name, node in vars(config).items() if name not in _UNRECORDED},
        "measured_on": parts.measured_on,
        "made_with": {"version": __version__, "encoder": parts.estimator.identity(), **parts.platform},
        "choices": dict(choices),
        "value": parts.evaluator.value,
    }
    if before is not None:
        check_same(folder, before, record)
        record["diverged_at"] = before.get("diverged_at")
        _check_grown(before, config, folder)
    return _run(config, parts, record, before, folder, phases, callbacks)


def _run(
    config: SearchConfig,
    parts: Parts,
    record: dict[str, Any],
    before: dict[str, Any] | None,
    folder: Path,
    phases: Phases,
    callbacks: Iterable[Callback],
) -> Result:
    search = parts.search(config, phases)
    warm = None
    if config.warm_start is not None and before is None:  # refused before anything is written
        warm = read_warm(Path(config.warm_start), parts.space, parts.evaluator)
    folder.mkdir(parents=True, exist_ok=True)
    with Journal(folder) as journal:
        trials, unfinished = journal.read(parts.space, parts.evaluator.value)
        recorded = trials.charged
        failed = trials.failures if config.retry_failed else 0
        if not failed and _is_done(config.budget, recorded, folder):
            _log.info("%s holds the finished run: nothing is evaluated anew", folder)
            return load(folder)
        if before is not None and len(trials):
            _note_divergence(before, record, recorded)
        write_record(folder, record)
        (folder / "result.json").unlink(missing_ok=True)  # it is of fewer evaluations
        if config.warm_start is not None and not trials.charged:
            if warm is None:
                warm = read_warm(Path(config.warm_start), parts.space, parts.evaluator)
            for trial in [*warm][len(trials) :]:  # the others were recorded before the run was stopped
                journal.record(trial)
            trials = warm
        search.add(trials, unfinished)
        if recorded:
            _log.info("%d recorded, going on", recorded)
        if failed:
            _log.info("%d failed are tried again", search.retry_failed())
        if search.asks_estimator:
            with phases("prepare"):
                parts.estimator.prepare()
        seconds, budget = Seconds(folder), Budget.of(config.budget)
        checkpoints = Checkpoints(folder / "checkpoints")
        if hasattr(parts.evaluator, "keep_checkpoints"):  # an evaluator that trains
            parts.evaluator.keep_checkpoints(folder / "checkpoints")
        with closing(parts.evaluator):
            told = Callbacks([*callbacks, seconds, checkpoints])
            stopped = run_search(
                search,
                parts.evaluator,
                journal,
                budget,
                told,
                lambda: parts.stop.reason(search, sum(seconds.total(search).values())),
            )
            if stopped:
                _log.info("stopped after %d evaluations of a budget of %s: %s", search.trials.charged, budget, stopped)
    if stopped is None:
        checkpoints.remove_all()
    from nas.search.report import write_report  # brings the plotting libraries

    if not search.estimated and parts.estimator.min_trials:
        _log.warning("the estimator was never asked: all %d candidates are the strategy's own", search.trials.charged)
    level = getattr(parts.evaluator, "chance", None)  # of an evaluator that trains
    if search.cut_pools:
        _log.warning(
            "%d of %d rounds had fewer than pool=%d candidates: to observe them all takes more seconds than were left",
            search.cut_pools, search.rounds, search.pool,
        )  # fmt: skip
    about = {
        "measured_on": record["measured_on"],
        "config": {name: record[name] for name in vars(config) if name in record},
        "choices": record["choices"],
        "made_with": record["made_with"],
        "seed": config.seed,
        "budget": config.budget,
        "stopped": stopped,
        "resumed_at": recorded or None,
        "diverged_at": record.get("diverged_at"),
        "warm_trials": len(search.trials) - search.trials.charged,
        "deaths": parts.evaluator.deaths,
        "classes": getattr(parts.evaluator, "classes", None),
        "chance": None if level is None else vars(level),
    }
    content = write_report(folder, search, parts.evaluator, about, seconds.total)
    if level is not None and content["best"]["value"] <= level.most:
        _log.warning(
            "the best value, %.4f, is not clearly above what no network at all has, %.4f: train longer "
            "(evaluator.recipe.epochs), larger networks (evaluator.skeleton.stem) or with more images",
            content["best"]["value"], level.value,
        )  # fmt: skip
    return load(folder)


def _check_grown(before: Mapping[str, Any], config: SearchConfig, folder: Path) -> None:
    """Refuse a budget that is less than it was, or of something else."""
    then, now = Budget.of(before.get("budget") or 1), Budget.of(config.budget)
    if then.unit != now.unit:
        text = f"the run in {folder} has {then.written}"
        raise UserError(f"budget is {now.written}, but {text}: give more of the same")
    if then.amount > now.amount:
        raise UserError(f"budget is {now.written}, must be at least the {then.written} of the run in {folder}")


def _is_done(budget: str | int, recorded: int, folder: Path) -> bool:
    """Whether the run in a folder has spent as much of the same already."""
    path = folder / "result.json"
    if not path.exists():
        return False
    wanted = Budget.of(budget)
    if wanted.unit == "evaluations" and recorded < wanted.amount:
        return False
    content = load(folder).content
    return content.get("stopped") is None and Budget.of(content.get("budget") or 1) == wanted


def _note_divergence(before: Mapping[str, Any], record: dict[str, Any], recorded: int) -> None:
    """Say once that the run cannot go on exactly as it would have."""
    then, now = before.get("made_with") or {}, record["made_with"]
    changed = differences(dict(then), dict(now))
    if changed and record.get("diverged_at") is None:
        record["diverged_at"] = recorded
        told = "; ".join(changed)
        _log.warning(
            "from evaluation %d on the run may differ from one that went on as it began: %s", recorded + 1, told
        )
