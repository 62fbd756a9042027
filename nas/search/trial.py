"""One trial of a search, and a line of its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One evaluated architecture; None: not known.

    Attributes:
        step: its number in order of its first evaluation, from 0.
        key: the network's key, 16 hexadecimal digits.
        genes: the architecture as it was proposed.
        values: what was measured, by name; empty: the evaluation failed.
        seconds: of training that it stands for.
        predicted_mean: the estimate at the time it was chosen.
        predicted_std: its standard deviation.
        proposed_by: the move that proposed it.
        epochs: the fidelity: epochs of training behind the values.
        estimate_seconds: of candidate training that the estimates of its round cost.
        warm: whether it was known before the search began; such a trial is charged to nobody.
        error: why the evaluation failed.
        details: what else the evaluator told, such as learning curves.
        partial: whether its training stopped before its end, and may go on.
        bracket: the scheduler's.
        clock: seconds on the clock of the search when its last evaluation was done.
    """

    step: int
    key: str
    genes: list[int]
    values: dict[str, float]
    seconds: float | None
    predicted_mean: float | None
    predicted_std: float | None
    proposed_by: str
    epochs: int | None = None
    estimate_seconds: float = 0.0
    warm: bool = False
    error: str | None = None
    details: dict[str, Any] | None = None
    partial: bool = False
    bracket: int = 0
    clock: float | None = None
