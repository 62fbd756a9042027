"""How a made-up search stands on its rungs, and a simulator that drives a scheduler to the end of a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from nas.schedulers import Job, Scheduler, Standing

NAN = np.nan


def standing(
    rungs: Sequence[int],
    at: Sequence[Sequence[float]],
    *,
    failed: Sequence[int] = (),
    pending: Sequence[tuple[int, int, int | None]] = (),
    brackets: Sequence[int] | None = None,
    predicted: Sequence[float] | None = None,
    new: bool = True,
    left: float = np.inf,
    epoch: float = 0.0,
    continues: bool = True,
) -> Standing:
    """Values `at` the rungs, a row each that may be shorter; `failed`, and those in `pending`, are rows."""
    n = len(at)
    values = np.full((n, len(rungs)), NAN)
    for row, known in enumerate(at):
        values[row, : len(known)] = known
    level = np.array([max([-1, *np.flatnonzero(np.isfinite(one)).tolist()]) for one in values], dtype=np.intp)
    fails = np.isin(np.arange(n), failed)
    running = np.isin(np.arange(n), [row for _, _, row in pending if row is not None])
    return Standing(
        tuple(rungs), values, level, (level >= 0) & (level < len(rungs) - 1) & ~fails & ~running, fails,
        np.array([0] * n if brackets is None else brackets, dtype=np.int64),
        np.full(n, NAN) if predicted is None else np.array(predicted, dtype=np.float64),
        pending, new, left, epoch, continues,
    )  # fmt: skip


@dataclass
class Simulation:
    """Drives a scheduler over random values and failures, as many jobs at once as there are workers.

    The budget counts epochs, as a search does: a job that is not paid for is not begun, nor is another.
    """

    scheduler: Scheduler
    rungs: tuple[int, ...]
    rng: Generator
    workers: int
    budget: float
    fails: float = 0.0
    most: float = np.inf
    continues: bool = True
    at: list[list[float]] = field(default_factory=list)
    brackets: list[int] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    running: list[tuple[Job, int]] = field(default_factory=list)
    spent: float = 0.0
    refused: bool = False

    def standing(self) -> Standing:
        pending = [(job.bracket, self.rungs.index(job.until or self.rungs[-1]), job.row) for job, _ in self.running]
        new = len(self.at) + sum(job.row is None for job, _ in self.running) < self.most
        left = self.budget - self.spent - sum(price for _, price in self.running)
        return standing(
            self.rungs, self.at, failed=self.dead, pending=pending, brackets=self.brackets, new=new and left > 0,
            left=left, epoch=1.0, continues=self.continues,
        )  # fmt: skip

    def price(self, job: Job) -> int:
        """What a job trains; checks that it may be done."""
        seen = self.standing()
        until = job.until or self.rungs[-1]
        if job.row is None:
            assert seen.new
            return until
        assert seen.may_go_on[job.row]
        level = int(seen.level[job.row])
        assert self.rungs.index(until) == level + 1, "no rung is left out, none is done twice"
        assert job.bracket == self.brackets[job.row]
        return until - self.rungs[level] * self.continues

    def ask(self) -> bool:
        """Begin one job, where there is one that is paid for."""
        seen = self.standing()
        job = self.scheduler.next(seen) if seen.left > 0 else None
        if job is None:
            return False
        price = self.price(job)
        self.refused = price > seen.left
        if not self.refused:
            self.running.append((job, price))
        return not self.refused

    def finish(self) -> None:
        """End one of what is running."""
        job, price = self.running.pop(int(self.rng.integers(len(self.running))))
        self.spent += price
        rung = self.rungs.index(job.until or self.rungs[-1])
        row = job.row
        if row is None:
            row = len(self.at)
            self.at.append([NAN] * rung)
            self.brackets.append(job.bracket)
        if self.rng.random() < self.fails:
            self.dead.append(row)
        else:
            self.at[row] = [*self.at[row], float(self.rng.integers(6)) + rung]  # with ties

    def run(self) -> Simulation:
        """To the end; checks that the scheduler does not wait for nothing."""
        for _ in range(100_000):
            while len(self.running) < self.workers and self.ask():
                pass
            if not self.running:
                return self
            self.finish()
        raise AssertionError("it does not end")

    @property
    def whole(self) -> int:
        return sum(len(values) == len(self.rungs) for values in self.at)
