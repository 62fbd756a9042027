"""The journal of a search: what makes a killed run continue where it was."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.types import Architectures, Candidate, Outcome, Space, Values

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One evaluated architecture, a line of `history.jsonl`; None: not known.

    Attributes:
        step: its number in order of evaluation, from 0.
        key: the network's key, 16 hexadecimal digits.
        genes: the architecture as it was proposed.
        value: what the search saw; None: the evaluation failed.
        cost_seconds: training time it stands for.
        predicted_mean: the estimate at the time it was chosen.
        predicted_std: its standard deviation.
        proposed_by: the move that proposed it.
        error: why the evaluation failed.
        details: what else the evaluator told, such as learning curves.
    """

    step: int
    key: str
    genes: list[int]
    value: float | None
    cost_seconds: float | None
    predicted_mean: float | None
    predicted_std: float | None
    proposed_by: str
    error: str | None = None
    details: dict[str, Any] | None = None


class History:
    """The trials of one run, in `history.jsonl`: a line is appended and flushed to the disk at each evaluation.

    Opened on a file that exists, it offers what was `recorded`. A search with one evaluation at a time is run once more
    from its start, and served the recorded outcomes: it goes through the same states without paying for them. With
    several at a time the order of their ends cannot be repeated: the trials are taken over by `restore`, and what was
    in flight (kept in `in_flight.json`) is evaluated again.

    Args:
        path: the file.
        space: the search space.

    Raises:
        UserError: the file is not a history, or another process is writing it.
    """

    def __init__(self, path: Path, space: Space) -> None:
        from filelock import FileLock, Timeout

        self._space = space
        self._in_flight = path.with_name("in_flight.json")
        self._lock = FileLock(path.with_suffix(".lock"), blocking=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UserError(f"{path.parent} is being written by another process: wait for it, or stop it") from error
        try:
            self.recorded = _read(path, space)
        except BaseException:
            self._lock.release()
            raise
        self._file = path.open("a", encoding="utf-8")
        self.trials: list[Trial] = []

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def archs(self) -> Architectures:
        """`(n, genes)`: the architectures evaluated so far, failed ones included."""
        genes = [trial.genes for trial in self.trials]
        return np.array(genes, dtype=np.uint8).reshape(-1, len(self._space.cardinalities))

    @property
    def values(self) -> Values:
        """`(n,)`: their values, NaN for those that failed."""
        return np.array([np.nan if trial.value is None else trial.value for trial in self.trials], dtype=np.float64)

    @property
    def known(self) -> NDArray[np.intp]:
        """The steps that did not fail."""
        return np.flatnonzero(np.isfinite(self.values))

    def recorded_outcome(self, step: int) -> Outcome | None:
        """What an earlier run recorded for a step, or None."""
        if step >= len(self.recorded):
            return None
        trial = self.recorded[step]
        return Outcome(trial.value, trial.cost_seconds, trial.error, trial.details)

    def restore(self) -> list[Candidate]:
        """Take over all recorded trials; return the candidates that were in flight and not recorded."""
        self.trials = list(self.recorded)
        if not self._in_flight.exists():
            return []
        keys = {trial.key for trial in self.trials}
        try:
            noted = json.loads(self._in_flight.read_text(encoding="utf-8"))
            archs = [self._space.check(np.array([entry["arch"]], dtype=np.uint8))[0] for entry in noted]
            candidates = [Candidate(**{**entry, "arch": arch}) for entry, arch in zip(noted, archs, strict=True)]
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise UserError(
                f"{self._in_flight} is damaged ({error}): remove it, and lose what was in flight"
            ) from error
        return [candidate for candidate in candidates if self._key(candidate) not in keys]

    def note_in_flight(self, candidates: Iterable[Candidate]) -> None:
        """Keep on disk what is being evaluated, or chosen to be."""
        entries = [{**vars(candidate), "arch": candidate.arch.tolist()} for candidate in candidates]
        write_whole(self._in_flight, json.dumps(entries, allow_nan=False))

    def record(self, candidate: Candidate, outcome: Outcome) -> Trial:
        """Append a trial, on disk when this returns; where an earlier run recorded the step, its record is kept."""
        step, key = len(self.trials), self._key(candidate)
        if step < len(self.recorded):
            trial = self.recorded[step]
            if trial.key != key:
                _log.warning(
                    "step %d was %s, would now be %s (another version or machine?): the record is kept",
                    step, trial.key, key,
                )  # fmt: skip
        else:
            trial = Trial(
                step=step,
                key=key,
                genes=candidate.arch.tolist(),
                value=outcome.value,
                cost_seconds=outcome.cost,
                predicted_mean=candidate.mean,
                predicted_std=candidate.std,
                proposed_by=candidate.origin,
                error=outcome.error,
                details=outcome.details,
            )
            self._file.write(json.dumps(asdict(trial), allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.trials.append(trial)
        return trial

    def _key(self, candidate: Candidate) -> str:
        return f"{self._space.keys(candidate.arch[None])[0]:016x}"


def _read(path: Path, space: Space) -> list[Trial]:
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        _log.warning("%s ends in half a line: that evaluation is done again", path)
        os.truncate(path, len(whole))
    trials: list[Trial] = []
    for step, line in enumerate(whole.splitlines()):
        try:
            trials.append(Trial(**json.loads(line)))
            _check(trials[-1], space)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UserError(f"line {step + 1} of {path} is not a trial ({error}): the file was changed") from error
        if trials[-1].step != step:
            raise UserError(f"line {step + 1} of {path} is step {trials[-1].step}: lines are missing")
    return trials


def _check(trial: Trial, space: Space) -> None:
    """Raises ValueError or TypeError for what `History.record` would not have written."""
    key = space.keys(space.check(np.array([trial.genes], dtype=np.uint8)))[0]
    if f"{key:016x}" != trial.key:
        raise ValueError(f"its genes have the key {key:016x}")
    if not isinstance(trial.details, dict | None):
        raise TypeError(f"its details are {trial.details!r}")
    for number in (trial.value, trial.cost_seconds, trial.predicted_mean, trial.predicted_std):
        if number is not None and not math.isfinite(number):
            raise ValueError(f"it has the number {number}")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
