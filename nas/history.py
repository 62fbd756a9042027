"""The journal of a search: what makes a killed run continue where it was."""

from __future__ import annotations

import json
import logging
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.types import Architectures, Evaluator, Prediction, Proposal, Space, Values

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One evaluated architecture, a line of `history.jsonl`; None: not known.

    Attributes:
        step: its number in order of evaluation, from 0.
        key: the network's key, 16 hexadecimal digits.
        genes: the architecture as it was proposed.
        value: what the search saw.
        cost_seconds: training time it stands for.
        predicted_mean: the estimate at the time it was chosen.
        predicted_std: its standard deviation.
        proposed_by: the move that proposed it.
    """

    step: int
    key: str
    genes: list[int]
    value: float
    cost_seconds: float | None
    predicted_mean: float | None
    predicted_std: float | None
    proposed_by: str


class History:
    """The trials of one run, in `history.jsonl`: a line is appended and flushed to the disk at each evaluation.

    Opened on a file that exists, it serves the recorded evaluations again, in order: the search that is run once more
    from its start goes through the same states without paying for them, and continues from there.

    Args:
        path: the file.
        space: the search space.

    Raises:
        UserError: the file is not a history, or another process is writing it.
    """

    def __init__(self, path: Path, space: Space) -> None:
        from filelock import FileLock, Timeout

        self._space = space
        self._lock = FileLock(path.with_suffix(".lock"), blocking=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UserError(f"{path.parent} is being written by another process: wait for it, or stop it") from error
        try:
            self.recorded = self._read(path)
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

    @staticmethod
    def _read(path: Path) -> list[Trial]:
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            _log.warning("%s ends in half a line: that evaluation is done again", path)
            os.truncate(path, len(whole))
        trials = []
        for step, line in enumerate(whole.splitlines()):
            try:
                trials.append(Trial(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise UserError(f"line {step + 1} of {path} is not a trial ({error}): the file was changed") from error
            if trials[-1].step != step:
                raise UserError(f"line {step + 1} of {path} is step {trials[-1].step}: lines are missing")
        return trials

    @property
    def archs(self) -> Architectures:
        """`(n, genes)`: the architectures evaluated so far."""
        return np.array([trial.genes for trial in self.trials], dtype=np.uint8).reshape(
            -1, len(self._space.cardinalities)
        )

    @property
    def values(self) -> Values:
        """`(n,)`: their values."""
        return np.array([trial.value for trial in self.trials], dtype=np.float64)

    def evaluate(self, evaluator: Evaluator, proposal: Proposal, prediction: Prediction) -> None:
        """Evaluate candidates in order, each recorded before the next begins; what was recorded earlier is served."""
        keys = self._space.keys(proposal.archs)
        for row, arch in enumerate(proposal.archs):
            step, key = len(self.trials), f"{keys[row]:016x}"
            if step < len(self.recorded):
                trial = self.recorded[step]
                if trial.key != key:
                    _log.warning(
                        "step %d was %s, would now be %s (another version or machine?): the record is kept",
                        step, trial.key, key,
                    )  # fmt: skip
            else:
                measured = evaluator.evaluate(arch[None])
                trial = Trial(
                    step=step,
                    key=key,
                    genes=arch.tolist(),
                    value=float(measured.value[0]),
                    cost_seconds=_known(measured.cost[0]),
                    predicted_mean=_known(prediction.mean[row]),
                    predicted_std=None if prediction.std is None else _known(prediction.std[row]),
                    proposed_by=str(proposal.origin[row]),
                )
                self._append(trial)
            self.trials.append(trial)

    def _append(self, trial: Trial) -> None:
        self._file.write(json.dumps(asdict(trial), allow_nan=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _known(number: Any) -> float | None:
    return None if math.isnan(number) else float(number)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
