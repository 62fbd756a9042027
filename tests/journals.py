"""Trials that tests make, and a journal they are written to."""

from __future__ import annotations

import json
from typing import Any

from nas.search import Trials
from nas.search.journal import Journal
from nas.spaces import NB101
from nas.types import Candidate, Outcome

VALUE = "validation"


def candidate(space: NB101, row: int, **options: Any) -> Candidate:
    return Candidate(space.batch(space.enumerate()[[row]]), "mutation", **options)


def made(space: NB101, values: list[float | None], **measured: list[float]) -> Trials:
    """Trials of the space's first architectures; None: it failed."""
    trials = Trials(len(space.cardinalities), VALUE)
    for row, value in enumerate(values):
        more = {name: numbers[row] for name, numbers in measured.items()}
        outcome = Outcome.failed("too large", 2.0) if value is None else Outcome({VALUE: value, **more}, 10.0, 12)
        trials.append(candidate(space, row, mean=0.5, seconds=0.25), outcome)
    return trials


def written(journal: Journal, trials: Trials) -> list[dict[str, Any]]:
    """Record trials, and return the lines."""
    for trial in trials:
        journal.record(trial)
    return [json.loads(line) for line in journal.path.read_text().splitlines()]


def write(journal: Journal, lines: list[Any]) -> None:
    journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
