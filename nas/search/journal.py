"""The journal of a search: what makes a killed run continue where it was."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.search.trial import Trial
from nas.search.trials import Trials
from nas.types import Candidate, Keys, Outcome, Space, finite

_log = logging.getLogger(__name__)

_SYNCED = 0.1  # seconds between two writes through to the disk: all that a power cut can cost of cheap evaluations
_OF_CANDIDATE = ("origin", "mean", "std", "seconds", "step", "until", "bracket", "reached", "begun")
_KEY = re.compile("[0-9a-f]{16}")
_ALWAYS = ("step", "key", "genes", "values", "seconds", "predicted_mean", "predicted_std", "proposed_by")


class Journal:
    """Keeps the trials of one run in `history.jsonl`, a line each, and in `pending.json` what was chosen beyond them.

    A line is with the operating system when `record` returns, so that it outlives the process however that ends, and on
    the disk a tenth of a second later at the latest.

    Args:
        folder: of the run.

    Raises:
        UserError: another process is writing there.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        self.path, self._pending = folder / "history.jsonl", folder / "pending.json"
        self._lock = FileLock(self.path.with_suffix(".lock"), blocking=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UserError(f"{folder} is being written by another process: wait for it, or stop it") from error
        self._file = self.path.open("a", encoding="utf-8")
        self._synced = monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.sync()
        finally:
            self._file.close()
            self._lock.release()

    def read(self, space: Space, value: str) -> tuple[Trials, list[Candidate]]:
        """Return the trials that are recorded, and the candidates that were chosen and are not.

        Raises:
            UserError: a file is damaged, or of another space.
        """
        trials = read_trials(self.path, space, value)
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # a death has left half a line
            _log.warning("%s ends in half a line: that evaluation is done again", self.path)
            os.truncate(self.path, whole)
        if not self._pending.exists():
            return trials, []
        recorded = set(trials.keys.tolist())
        try:
            noted = json.loads(self._pending.read_text(encoding="utf-8"))
            candidates = [_candidate(entry, space, trials) for entry in noted]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise UserError(f"{self._pending} is damaged ({error}): remove it, and lose what was pending") from error
        return trials, [  # in their order: of several that end at once, what began first is done first
            one
            for one in candidates
            if (int(one.batch.keys[0]) not in recorded if one.step is None else _is_open(one, trials))
        ]

    def note_pending(self, candidates: Iterable[Candidate]) -> None:
        """Keep on disk what is being evaluated, or chosen to be; the lines that it refers to are there before."""
        self.sync()
        entries = [
            {"genes": one.genes.tolist(), **{name: getattr(one, name) for name in _OF_CANDIDATE}} for one in candidates
        ]
        write_whole(self._pending, json.dumps(entries, allow_nan=False))

    def record(self, trial: Trial) -> None:
        """Append a trial; one of an earlier step takes the place of what failed there."""
        content = {
            name: entry
            for name, entry in vars(trial).items()
            if name in _ALWAYS or entry not in (None, 0.0, False) or (name == "clock" and entry is not None)
        }
        self._file.write(json.dumps(content, allow_nan=False) + "\n")
        self._file.flush()
        if monotonic() - self._synced > _SYNCED:
            self.sync()

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        os.fsync(self._file.fileno())
        self._synced = monotonic()


def read_trials(path: Path, space: Space, value: str) -> Trials:
    """Read a history, and check it against the space.

    Raises:
        UserError: a line is not what a journal writes, or of another space.
    """
    trials = Trials(len(space.cardinalities), value)
    lines = read_lines(path)
    if not lines:
        return trials
    try:
        batch = space.batch(space.check(np.array([line.genes for line in lines], dtype=np.uint8)))
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path} is no history of this space ({error}): the file was changed") from error
    for number, (key, line) in enumerate(zip(batch.keys.tolist(), lines, strict=True)):
        if f"{key:016x}" != line.key:
            raise UserError(f"line {number + 1} of {path} is not a trial (its genes have the key {key:016x})")
    take_over(path, trials, lines, batch.genes, batch.keys)
    return trials


def take_over(path: Path, trials: Trials, lines: Sequence[Trial], genes: NDArray[np.uint8], keys: Keys) -> None:
    """Append the lines of a history; one of an earlier step takes the place of what failed, or was partial, there.

    Raises:
        UserError: lines are missing, or out of order.
    """
    taken = 0  # lines

    def take(end: int) -> None:
        trials.extend(lines[taken:end], genes[taken:end], keys[taken:end])

    for number, line in enumerate(lines):
        step = len(trials) + number - taken
        if line.step == step:
            continue
        take(number)
        taken = number + 1
        if not 0 <= line.step < step or trials.keys[line.step] != keys[number] or trials.closed(line.step):
            raise UserError(f"line {number + 1} of {path} is step {line.step}, not {step}: lines are missing")
        outcome = Outcome(line.values, line.seconds, line.epochs, line.error, line.details, line.partial)
        trials.replace(line.step, outcome, line.clock)
    take(len(lines))


def read_lines(path: Path) -> list[Trial]:
    """Read the lines of a history, without half a line at its end.

    Raises:
        UserError: a line is not what a journal writes.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    lines = []
    for number, text in enumerate(content[: content.rfind(b"\n") + 1].splitlines()):
        try:
            lines.append(Trial(**json.loads(text)))
            _check(lines[-1])
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UserError(f"line {number + 1} of {path} is not a trial ({error}): the file was changed") from error
    return lines


def _check(line: Trial) -> None:
    """Raise ValueError or TypeError for what `Journal.record` would not have written."""
    whole = [line.step, line.bracket, *(line.genes if isinstance(line.genes, list) else [None])]
    if not all(type(number) is int and number >= 0 for number in whole):
        raise TypeError(f"its step is {line.step!r}, its bracket {line.bracket!r}, its genes are {line.genes!r}")
    if not isinstance(line.key, str) or not _KEY.fullmatch(line.key):
        raise TypeError(f"its key is {line.key!r}")
    texts = (line.proposed_by, line.error or "")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"its texts are {texts!r}")
    if not all(isinstance(one, bool) for one in (line.warm, line.partial)):
        raise TypeError(f"warm is {line.warm!r}, partial is {line.partial!r}")
    if not isinstance(line.details, dict | None):
        raise TypeError(f"its details are {line.details!r}")
    if not isinstance(line.values, dict) or not (line.values or isinstance(line.error, str)):
        raise TypeError(f"its values are {line.values!r}, its error {line.error!r}")
    numbers = (line.seconds, line.epochs, line.predicted_mean, line.predicted_std, line.estimate_seconds, line.clock)
    for number in (*line.values.values(), *numbers):
        if number is not None and not (isinstance(number, int | float) and math.isfinite(number)):
            raise ValueError(f"it has the number {number!r}")


def _candidate(entry: dict[str, Any], space: Space, trials: Trials) -> Candidate:
    genes = space.check(np.array([entry["genes"]], dtype=np.uint8))
    mean, std = (None if entry[name] is None else finite(entry[name], name) for name in ("mean", "std"))
    step = None if entry["step"] is None else int(entry["step"])
    batch = space.batch(genes)
    if step is not None and not (0 <= step < len(trials) and trials.keys[step] == batch.keys[0]):
        raise ValueError(f"it repeats step {step}, which is no trial of this network")
    until = None if entry.get("until") is None else int(entry["until"])
    bracket, reached = (int(entry.get(name, 0)) for name in ("bracket", "reached"))
    seconds, begun = finite(entry["seconds"], "seconds"), entry.get("begun")
    begun = None if begun is None else finite(begun, "begun")
    return Candidate(batch, str(entry["origin"]), mean, std, seconds, step, until, bracket, reached, begun)


def _is_open(candidate: Candidate, trials: Trials) -> bool:
    """Whether the repetition, or what goes on, is not recorded: its trial is as it was when this was chosen."""
    row = candidate.step or 0
    failed = bool(np.isnan(trials.value[row]))
    if candidate.reached:  # it goes on from what is recorded
        return not failed and bool(trials.partial[row]) and not trials.epochs[row] > candidate.reached
    return failed


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, after a power cut, too."""
    part = path.with_suffix(path.suffix + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name
    finally:
        os.close(folder)
