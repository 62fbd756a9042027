"""The search as a state machine: what to evaluate next, given all that is known. It has no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas._growing import GrowingBatch
from nas.budget import Budget
from nas.errors import OptionError, UserError
from nas.options import Natural, PositiveInt, validated
from nas.schedulers import Job
from nas.search.choosing import Belief, believe_estimates, choose, outcome_of, recommended
from nas.search.phases import Phases
from nas.search.schedule import Schedule
from nas.search.spending import Spending
from nas.search.trial import Trial
from nas.search.trials import Trials
from nas.types import Acquisition, Batch, Candidate, Estimator, Outcome, Space, Strategy, Values


@validated
class Search:
    """Asks a strategy for candidates, ranks them by a surrogate, and remembers what is known and what is pending.

    All random numbers of a round come from (seed, trials and pending candidates before it), so that a search that is
    continued with `add` goes on as it would have.

    Args:
        space: the search space.
        strategy: proposes candidates.
        estimator: the surrogate; fitted once a round, to all trials.
        acquisition: ranks the candidates by their estimates.
        seed: 0 or more.
        initial: trials before the surrogate is asked, at least 1.
        pool: candidates of a round, at least `batch`.
        batch: chosen of them, at least 1.
        budget: what it may spend, as a `Budget` or as an option says it, such as 150; None: no end.
        value: the name of the value that the search sees; the higher, the better.
        phases: collects the seconds of each phase.
        schedule: how long candidates are trained; None: to the end.

    Raises:
        UserError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        strategy: Strategy,
        estimator: Estimator,
        acquisition: Acquisition,
        *,
        seed: Natural = 0,
        initial: PositiveInt = 20,
        pool: PositiveInt = 1000,
        batch: PositiveInt = 1,
        budget: Budget | int | str | None = None,
        value: str = "value",
        phases: Phases | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self.space, self.strategy, self.estimator, self.acquisition = space, strategy, estimator, acquisition
        if pool < batch:
            raise OptionError("pool", f"is {pool}, must be at least {batch} (batch): candidates of a round")
        self.seed, self.initial, self.pool, self.batch = seed, initial, pool, batch
        self.budget = budget
        self.phases = Phases() if phases is None else phases
        self.schedule = schedule or Schedule()
        self.clock: float | None = None
        """Seconds on the clock, where there is one: what a budget of seconds is held against."""
        self.trials = Trials(len(space.cardinalities), value)
        self.believe: Belief = believe_estimates
        """What the surrogate is told of pending candidates, given the known values: a value each, or nothing."""
        self.rounds = 0  # how often candidates were chosen
        self.cut_pools = 0  # rounds of fewer candidates than `pool`: to observe all took more seconds than were left
        self.used_up = False  # whether no candidate is left
        self._batch = GrowingBatch(space)
        self._queue: deque[Candidate] = deque()  # chosen to follow
        self._again: deque[Candidate] = deque()  # that failed, or were pending when the run was stopped
        self._pending: dict[str, Candidate] = {}
        self._told: set[int] = set()  # keys

    @property
    def best(self) -> Trial | None:
        """The trial with the highest value; None where there is none."""
        return self.trials.best

    @property
    def values(self) -> Values:
        """`(n,)`: what each trial would be worth after a whole training, as far as is known; NaN where it failed."""
        return self.schedule.projected(self.trials)

    def recommended(self, among: NDArray[np.intp] | None = None) -> Trial | None:
        """Fit the surrogate, and return the trial with the highest mean of value and posterior mean.

        The highest value may be luck. Of what it does not share with its neighbours half is taken to be luck, and half
        to be the network's own: one measurement does not tell them apart. The trial of the highest value is returned
        where the surrogate tells no noise apart or knows too few trials. Of trials that stopped, none is returned where
        another was trained to the end. `among` are the rows that count (then None is returned where nothing is told).
        """
        row = recommended(self.estimator, self._batch.view, self.values, self.trials, among)
        return (self.best if among is None else None) if row is None else self.trials[row]

    @property
    def estimated(self) -> bool:
        """Whether the surrogate has said something of a trial of this search."""
        return bool(np.isfinite(self.trials.predicted_mean[~self.trials.warm]).any())

    @property
    def asks_estimator(self) -> bool:
        """Whether the surrogate will be asked before the budget is spent."""
        most = self.spending.most
        return most is None or most > self.initial - (len(self.trials) - self.trials.charged)

    @property
    def unfinished(self) -> list[Candidate]:
        """The candidates that were asked for and not told, and those that are to follow."""
        return [*self._pending.values(), *self._again, *self._queue]

    @property
    def allocated(self) -> int:
        """How many trials of this search are done or pending."""
        return self.trials.charged + sum(one.step is None for one in self._pending.values())

    @property
    def spending(self) -> Spending:
        """What is spent of the budget, and what is left."""
        budget = None if self.budget is None else Budget.of(self.budget)
        return Spending(budget, self.trials, self.schedule, self._pending.values(), self.clock)

    def ask(self, n: int = 1) -> list[Candidate]:
        """Return up to `n` candidates to evaluate, in order; each stays pending until it is told.

        Fewer come back where the budget ends, where the space is used up, or where the surrogate or the scheduler has
        to wait for what is pending.
        """
        asked: list[Candidate] = []
        while len(asked) < n and (one := self._next()) is not None:
            asked.append(replace(one, begun=self.clock) if one.begun is None else one)
            self._pending[one.key] = asked[-1]
        return asked

    def _next(self) -> Candidate | None:
        """The next candidate: one that is tried again or was pending before, one that goes on, or a new one."""
        if self._again:
            return self._again.popleft()
        spending = self.spending
        new = spending.left > 0
        while spending.goes_on and (job := self.schedule.next(spending, new, self.phases)) is not None:
            one = self._going_on(job.row, job) if job.row is not None else self._beginning(job)
            if one is not None and spending.pays(one):
                return one
            if one is not None and one.step is None:
                self._queue.appendleft(replace(one, until=None, bracket=0))
            if one is not None or not new:
                return None
            new = False  # none is left, or the surrogate waits: others may go on meanwhile
        return None

    def _beginning(self, job: Job) -> Candidate | None:
        if not self._queue:
            self._queue.extend(self._choose())
            self.used_up = not self._queue and not self._pending
        return replace(self._queue.popleft(), until=job.until, bracket=job.bracket) if self._queue else None

    def _going_on(self, row: int, job: Job) -> Candidate:
        trial, batch = self.trials[row], self._batch.view.take(slice(row, row + 1))
        one = Candidate(batch, trial.proposed_by, trial.predicted_mean, trial.predicted_std, step=row, until=job.until)
        return replace(one, bracket=trial.bracket, reached=0 if trial.error else trial.epochs or 0)

    def tell(self, candidate: Candidate | ArrayLike, outcome: Outcome | Mapping[str, float] | float) -> Trial:
        """Learn what became of a candidate, or of an architecture `(genes,)` that was not asked for.

        Args:
            candidate: what was evaluated.
            outcome: its value, several values by name, or all that is known of it. A value that is no finite number is
                a failed trial.

        Raises:
            UserError: the architecture is not of the space, or was told before and is not asked for again.
        """
        if not isinstance(candidate, Candidate):
            candidate = self._candidate(candidate)
        if self._is_told(candidate):
            raise UserError(f"the architecture with key {candidate.key} was told before: tell each once")
        outcome = outcome_of(outcome, self.trials.value_name)
        if outcome.error is not None and outcome.epochs is None and self.schedule.rungs:
            outcome = replace(outcome, epochs=candidate.until or self.schedule.rungs[-1])  # charged as if it were done
        if self._pending.pop(candidate.key, None) is None and self._queue:  # told before it was asked for
            self._queue = deque(one for one in self._queue if one.key != candidate.key)
        if candidate.step is None:
            row = self.trials.append(candidate, outcome, self.clock)
            self._learn(candidate.batch, np.array([0]), self.trials.value[row:])
        else:
            row = candidate.step
            failed = np.isnan(self.trials.value[row])
            self.trials.replace(row, outcome, self.clock)
            if failed and np.isfinite(self.trials.value[row]):
                self.strategy.tell(candidate.batch, self.trials.value[row : row + 1])
        return self.trials[row]

    def add(self, trials: Trials, unfinished: Iterable[Candidate] = (), *, warm: bool | None = None) -> None:
        """Take over trials that are known already, in their order.

        Args:
            trials: of the same space.
            unfinished: candidates that were chosen beyond them; they are asked for next.
            warm: whether they are charged to nobody; None: as they are marked.

        Raises:
            UserError: a trial is not of the space, or nothing of what this search sees was measured.
        """
        if len(trials):
            name = self.trials.value_name
            if name not in trials.values:
                raise UserError(f"the trials have no {name!r}, only {', '.join(trials.values)}: choose one as `value`")
            batch = self.space.batch(self.space.check(trials.genes))
            if not len(self.trials) and warm is None and trials.value_name == name:
                self.trials = deepcopy(trials)
                self._learn(batch, *trials.events.outcomes)
            else:
                told = [trial if warm is None else replace(trial, warm=warm) for trial in trials]
                self.trials.extend(told, batch.genes, batch.keys)
                self._learn(batch, np.arange(len(trials)), self.trials.value[-len(trials) :])
            for key in {f"{key:016x}" for key in batch.keys.tolist()} & self._pending.keys():
                del self._pending[key]
            self._queue = deque(one for one in self._queue if int(one.batch.keys[0]) not in self._told)
        for one in unfinished:  # those that were being evaluated come first, each as far as it was to be trained
            new = one.begun is None and one.until is None and one.step is None
            (self._queue if new else self._again).append(one)

    def retry_failed(self) -> int:
        """Ask for the failed trials again, before all else; return how many they are."""
        again = {one.step for one in self.unfinished}  # of a part of the run that was stopped
        failed = [row for row in np.flatnonzero(~np.isfinite(self.trials.value)).tolist() if row not in again]
        self._again.extend(self._going_on(row, Job(self.schedule.until(self.trials, row))) for row in failed)
        return len(failed)

    def _learn(self, batch: Batch, rows: NDArray[np.int64], values: Values) -> None:
        """Take in further architectures; `rows` of them are told to the strategy in this order."""
        self._batch.extend(batch)
        self._told.update(batch.keys.tolist())
        if (warm := self.trials.warm).any() and hasattr(self.strategy, "warm"):
            self.strategy.warm = int(np.isfinite(self.trials.value[warm]).sum())
        self.strategy.tell(batch.take(rows), values)

    def _candidate(self, genes: ArrayLike) -> Candidate:
        """The candidate with these genes: that which is pending or chosen to follow, or a new one."""
        given = np.asarray(genes)
        if given.dtype.kind == "i" and given.size and given.min() >= 0 and given.max() <= 255:  # as lists are read
            given = given.astype(np.uint8)
        batch = self.space.batch(self.space.check(given[None]))
        chosen = [one for one in self.unfinished if one.batch.keys[0] == batch.keys[0]]
        return chosen[0] if chosen else Candidate(batch, "told")

    def _is_told(self, candidate: Candidate) -> bool:
        if candidate.step is not None:
            return self.trials.closed(candidate.step)
        return candidate.key not in self._pending and int(candidate.batch.keys[0]) in self._told

    def _choose(self) -> list[Candidate]:
        """The next candidates to evaluate; none, if the surrogate has to wait for what is pending."""
        pending, known, allocated = [*self._pending.values()], self.trials.known, self.allocated
        warm = len(self.trials) - self.trials.charged
        ready = warm + allocated >= self.initial and len(known) >= self.estimator.min_trials
        if warm + allocated >= self.initial and not ready and pending:
            return []
        wanted = self.batch if ready else max(self.initial - allocated - warm, 1)
        most = self.spending.most
        wanted = wanted if most is None else min(wanted, most - allocated)
        rng = np.random.default_rng([self.seed, allocated])
        if ready:
            with self.phases("fit"):  # before it is asked: a strategy may want estimates
                self._fit(known, pending)
        if self.trials.events.went_on and hasattr(self.strategy, "revalue"):
            rows, values = self.trials.events.revalued(self.values)
            self.strategy.revalue(self._batch.view.take(rows), values)
        best = float(self.trials.value[self.trials.leading].max(initial=-np.inf))
        self.rounds += 1
        pool = self.spending.pool(self.pool, self.batch, self.estimator) if ready else wanted
        self.cut_pools += ready and pool < self.pool
        return choose(
            self.strategy, self.estimator if ready else None, self.acquisition, pool, wanted,
            None if most is None else most - allocated, pending, best, rng, self.phases,
        )  # fmt: skip

    def _fit(self, known: NDArray[np.intp], pending: list[Candidate]) -> None:
        """Fit the surrogate to all trials, and to what is believed of those that are pending."""
        batch, values = self._batch.view.take(known), self.values[known]
        pending = [one for one in pending if one.step is None or np.isnan(self.trials.value[one.step])]
        if pending and len(values) and (beliefs := self.believe(pending, values)):
            batch = Batch.join([batch, *(one.batch for one in pending)])
            values = np.concatenate([values, beliefs])
        self.estimator.fit(batch, values)
