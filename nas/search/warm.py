"""Trials that are known before a search begins."""

from __future__ import annotations

import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas._config import differences
from nas.errors import UserError
from nas.search.journal import read_trials
from nas.search.record import measured_on_code, read_record
from nas.search.trials import Trials
from nas.types import Candidate, Evaluator, Outcome, Space

_log = logging.getLogger("nas.search")

_ORIGIN = "warm start"
_SAME = 1e-4  # by how much a value may differ from the table's: files hold few digits


def read_warm(path: Path, space: Space, evaluator: Evaluator) -> Trials:
    """Read trials that are known already: a run's `history.jsonl`, or a CSV as `Result.to_csv` writes it.

    A CSV has the columns `genes` (such as `[0, 3, 1]`), one named as the value that the search sees, and `measured_on`
    (what `nas.search.record.measured_on_code` gives); `seconds`, where it has it, is kept and charged to nobody.

    Raises:
        UserError: the file cannot be read, or was measured on something else.
    """
    if not path.is_file():
        raise UserError(f"warm_start is {str(path)!r}, where there is no file: name a history.jsonl or a .csv")
    if path.suffix == ".csv":
        return _of_csv(path, space, evaluator)
    if not (path.parent / "config.yaml").is_file():
        raise UserError(
            f"{path} has no config.yaml beside it: what it was measured on is unknown: put that of its run there"
        )
    record = read_record(path.parent) or {}
    now = evaluator.identity()
    measured = {name: (record.get("measured_on") or {}).get(name) for name in now}
    if measured != now:
        differ = "; ".join(differences(measured, now)[:3])
        raise UserError(f"{path} was measured on something else, what is known must be measured on the same: {differ}")
    return _warm(read_trials(path, space, evaluator.value), space)


def _of_csv(path: Path, space: Space, evaluator: Evaluator) -> Trials:
    code, value = measured_on_code(evaluator.identity()), evaluator.value
    trials = Trials(len(space.cardinalities), value)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for name in ("genes", value, "measured_on"):
            if name not in (rows.fieldnames or ()):
                raise UserError(
                    f"{path} has no column {name!r}: it needs genes, {value}, and measured_on, which is {code} here"
                )
        for line, row in enumerate(rows, 2):
            if row["measured_on"] != code:
                raise UserError(
                    f"line {line} of {path} was measured on {row['measured_on']!r}, this run measures on {code!r}: "
                    f"what is known must be measured on the same"
                )
            try:
                genes = space.check(np.array([json.loads(row["genes"])], dtype=np.uint8))
                seconds = float(row["seconds"]) if row.get("seconds") else None
                outcome = Outcome({value: float(row[value])}, seconds)
            except (ValueError, TypeError, OverflowError) as error:
                raise UserError(f"line {line} of {path} is no trial: {error}") from error
            trials.append(Candidate(space.batch(genes), _ORIGIN), outcome)
    if evaluator.reference() is not None and len(trials):
        known = evaluator.evaluate(space.batch(trials.genes)).value
        for row in np.flatnonzero(np.abs(known - trials.value) > _SAME * np.maximum(np.abs(known), 1))[:1]:
            told = f"{value} is {trials.value[row]:g}, but the table has {known[row]:g}"
            raise UserError(f"line {row + 2} of {path}: {told}: what is known must be measured on the same")
    return _warm(trials, space)


def _warm(trials: Trials, space: Space) -> Trials:
    """The same trials, marked; those that failed or were not trained whole, and repetitions, are left out."""
    kept: dict[str, int] = {}
    for row in trials.whole.tolist():
        kept.setdefault(trials[row].key, row)
    rows = np.array(sorted(kept.values()), dtype=np.intp)
    if partial := int(trials.partial.sum()):
        _log.info("%d known trials are left out: they were not trained to the end", partial)
    warm = Trials(len(space.cardinalities), trials.value_name)
    marked = [
        replace(trials[row], step=step, warm=True, proposed_by=_ORIGIN, clock=None)  # its clock was another search's
        for step, row in enumerate(rows.tolist())
    ]
    warm.extend(marked, trials.genes[rows], trials.keys[rows])
    return warm
