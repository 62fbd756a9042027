"""What a run records of itself, and what may change when it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING

from nas._config import check_recorded, differences
from nas._config import read_record as read_yaml
from nas.budget import Budget
from nas.errors import UserError
from nas.search._messages import override
from nas.search.journal import write_whole

_DATA = ("space", "dataset", "evaluator")  # parts whose `path` names a file with data
_OF_RECORD: dict[str, Any] = {
    "measured_on": dict,
    "made_with": dict,
    "choices": dict,
    "value": str,
    "diverged_at": int,
}  # what a record holds beside the options
_MAY_CHANGE = ("budget", "stop", "executor", "retry_failed")
_MAY_CHANGE_OF_EVALUATOR = ("path", "workers", "device", "devices", "threads")
NO_RUN = "holds no run (no config.yaml): name the folder of a run"
"""What is told of a folder that was taken for that of a run."""

_TRACES = ("config.yaml", "history.lock", "pending.json", "seconds.json", "multirun.yaml", "search.log")
"""Files of a run that did nothing."""

_TOLD = 5  # differences between two configurations, at most


def make_absolute(options: dict[str, Any]) -> None:
    """Let options name files as they are found from any folder: a run may be continued or compared from another."""
    for node in [*map(options.get, _DATA), options]:
        for key in ("path", "warm_start"):
            if isinstance(node, dict) and isinstance(path := node.get(key), str) and path != MISSING:
                node[key] = str(Path(path).absolute())


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of the run in a folder, or None.

    Raises:
        UserError: it is damaged, or gone.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        history = folder / "history.jsonl"
        if history.is_file() and history.stat().st_size:  # an empty one is of a run that was stopped as it began
            raise UserError(
                f"{folder} holds a history.jsonl but no config.yaml: what it was measured on is unknown: use another "
                f"folder, and start from earlier results with warm_start=FILE"
            )
        return None
    record = read_yaml(path)
    for name, kind in {**_OF_RECORD, "budget": int | str}.items():
        if not isinstance(record.get(name), kind | None):
            raise UserError(f"{path} is not the record of a run: {name} is {record[name]!r}")
    try:
        Budget.of(record.get("budget") or 1)
    except UserError as error:
        raise UserError(f"{path} is not the record of a run: {error}") from error
    return record


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Keep the record of a run in its folder."""
    write_whole(folder / "config.yaml", yaml.safe_dump(json.loads(json.dumps(record)), sort_keys=False))


def resumed(
    record: Mapping[str, Any], options: Mapping[str, Any], changed: Sequence[str], folders: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The options and choices of a recorded run that goes on.

    Args:
        record: of the run.
        options: as composed for this part of the run, over the choices of the record.
        changed: the paths of the options that were given for this part, such as `evaluator.workers`.
        folders: where the user's own options lie.

    Raises:
        UserError: the record names what is none of our parts.
    """
    result = {name: node for name, node in record.items() if name not in _OF_RECORD and name != "executor"}
    check_recorded(result, folders)
    result = json.loads(json.dumps(result))  # a copy of plain content
    for name in ("executor", *_new(options, result)):
        result[name] = options[name]
    for path in changed:
        *parents, name = path.split(".")
        source, target = dict(options), result
        for parent in parents:
            source, target = source.get(parent) or {}, target.setdefault(parent, {})
        if name in source:
            target[name] = source[name]
        else:
            raise UserError(f"{path} cannot be taken out of a run that goes on: leave it out")
    return result, dict(record.get("choices") or {})


def _new(options: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Options that the version which made the record did not have: they are as composed."""
    return [name for name in options if name not in record]


def check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a run under other options, or measured on something else.

    Raises:
        UserError: says in what they differ.
    """
    changed = differences(_essential(before), _essential(now))
    if not changed:
        return
    told = [line for line in changed if not line.startswith("measured_on.")] or changed  # it follows from the rest
    more = [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
    may = [*_MAY_CHANGE, *(f"evaluator.{name}" for name in _MAY_CHANGE_OF_EVALUATOR)]
    raise UserError(
        f"{folder} holds a run with another configuration: {'; '.join([*told[:_TOLD], *more])}: use another folder, or "
        f"continue it with {override('resume', folder)} and nothing but {', '.join(may)}"
    )


def measured_on(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was measured on, wherever that was."""
    platform = record.get("made_with") or {}
    return {name: text for name, text in (record.get("measured_on") or {}).items() if name not in platform}


def measured_on_code(identity: Mapping[str, str]) -> str:
    """What the column `measured_on` of a CSV holds: it stands for the whole of what was measured."""
    return sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]


def _essential(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what may change between two parts of a run: where it trains, where its data lie (`measured_on`
    has their digests), how far it goes, and how the options were chosen."""
    kept = {
        name: node
        for name, node in record.items()
        if name not in (*_MAY_CHANGE, "resume") and (name not in _OF_RECORD or name == "measured_on")
    }
    kept["measured_on"] = measured_on(record)
    if str((kept.get("scheduler") or {}).get("_target_")).endswith(".Full"):  # as before there were others
        del kept["scheduler"]
    for part in _DATA:
        if isinstance(node := kept.get(part), dict):
            gone = _MAY_CHANGE_OF_EVALUATOR if part == "evaluator" else ("path",)
            kept[part] = {name: entry for name, entry in node.items() if name not in gone}
    return kept


def existing(folder: Path) -> frozenset[Path]:
    """A folder and those above it, as far as they are there."""
    folder = Path(os.path.abspath(folder))
    return frozenset(path for path in (folder, *folder.parents) if path.exists())


def remove_traces(folder: Path, there: frozenset[Path]) -> None:
    """Remove the folder of a run in which nothing was recorded, with those above it, up to what was `there` before."""
    from filelock import FileLock

    folder = Path(os.path.abspath(folder))
    if folder in there:
        return
    with suppress(OSError):  # it is not there, holds more, or another process writes there
        if (lock := folder / "history.lock").exists():
            with FileLock(lock, blocking=False):
                pass
        files = list(folder.iterdir())
        if all(_is_trace(file) for file in files):
            for file in files:
                file.rmdir() if file.is_dir() else file.unlink()
            for path in (folder, *folder.parents):
                if path in there:
                    break
                path.rmdir()


def _is_trace(file: Path) -> bool:
    if file.name == "checkpoints":
        return not any(file.iterdir())
    return file.name in _TRACES or (file.name == "history.jsonl" and file.stat().st_size == 0)
