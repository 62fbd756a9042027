"""The search as a state machine: what to evaluate next, given all that is known. It has no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas._growing import GrowingBatch
from nas.errors import OptionError, UserError
from nas.options import Natural, PositiveInt, validated
from nas.search.phases import Phases
from nas.search.trials import Trial, Trials
from nas.types import Acquisition, Batch, Candidate, Estimator, Outcome, Prediction, Space, Strategy, Values, top

Belief = Callable[[list[Candidate], Values], list[float]]


def believe_estimates(pending: list[Candidate], values: Values) -> list[float]:
    """Take each pending candidate to be worth its estimate (Ginsbourger et al. 2010, the kriging believer).

    Where there is no estimate, it is taken to be worth the mean of the `(n,)` known values.
    """
    return [float(values.mean()) if one.mean is None else one.mean for one in pending]


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
        budget: trials in all; None: no end.
        value: the name of the value that the search sees; the higher, the better.
        phases: collects the seconds of each phase.

    Raises:
        OptionError: a number is out of its range.
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
        budget: PositiveInt | None = None,
        value: str = "value",
        phases: Phases | None = None,
    ) -> None:
        self.space, self.strategy, self.estimator, self.acquisition = space, strategy, estimator, acquisition
        if pool < batch:
            raise OptionError("pool", f"is {pool}, must be at least {batch} (batch): candidates of a round")
        self.seed, self.initial, self.pool, self.batch, self.budget = seed, initial, pool, batch, budget
        self.phases = Phases() if phases is None else phases
        self.trials = Trials(len(space.cardinalities), value)
        self.believe: Belief = believe_estimates
        """What the surrogate is told of pending candidates, given the known values: a value each, or nothing."""
        self.rounds = 0
        """How often candidates were chosen."""
        self._batch = GrowingBatch(space)
        self._queue: deque[Candidate] = deque()
        self._pending: dict[str, Candidate] = {}
        self._told: set[int] = set()  # keys

    @property
    def best(self) -> Trial | None:
        """The trial with the highest value; None where there is none."""
        return self.trials.best

    def recommended(self) -> Trial | None:
        """Fit the surrogate, and return the trial with the highest mean of value and posterior mean.

        The highest value may be luck. Of what it does not share with its neighbours half is taken to be luck, and half
        to be the network's own: one measurement does not tell them apart. The trial of the highest value is returned
        where the surrogate tells no noise apart or knows too few trials.
        """
        known, posterior = self.trials.known, getattr(self.estimator, "posterior", None)
        if posterior is not None and len(known) >= self.estimator.min_trials:
            batch, values = self._batch.view.take(known), self.trials.value[known]
            self.estimator.fit(batch, values)
            if (believed := posterior(batch)) is not None and np.isfinite(believed.mean).any():
                return self.trials[int(known[np.nanargmax(believed.mean + values)])]
        return self.best

    @property
    def estimated(self) -> bool:
        """Whether the surrogate has said something of a trial of this search."""
        return bool(np.isfinite(self.trials.predicted_mean[~self.trials.warm]).any())

    @property
    def asks_estimator(self) -> bool:
        """Whether the surrogate will be asked before the budget is spent."""
        return self.budget is None or self.budget > self.initial - (len(self.trials) - self.trials.charged)

    @property
    def unfinished(self) -> list[Candidate]:
        """The candidates that were asked for and not told, and those that were chosen to follow."""
        return [*self._pending.values(), *self._queue]

    @property
    def allocated(self) -> int:
        """How many trials of the budget are done or pending."""
        return self.trials.charged + sum(one.step is None for one in self._pending.values())

    def ask(self, n: int = 1) -> list[Candidate]:
        """Return up to `n` candidates to evaluate, in order; each stays pending until it is told.

        Fewer come back where the budget ends, where the space is used up, or where the surrogate has to wait for what
        is pending.
        """
        asked: list[Candidate] = []
        while len(asked) < n:
            spent = self.budget is not None and self.allocated >= self.budget
            if not self._queue and not spent:
                self._queue.extend(self._choose())
            if not self._queue or (spent and self._queue[0].step is None):
                break
            asked.append(self._queue.popleft())
            self._pending[asked[-1].key] = asked[-1]
        return asked

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
        outcome = self._outcome(outcome)
        if self._pending.pop(candidate.key, None) is None and self._queue:  # told before it was asked for
            self._queue = deque(one for one in self._queue if one.key != candidate.key)
        if candidate.step is None:
            row = self.trials.append(candidate, outcome)
            self._learn(candidate.batch, np.array([0]), self.trials.value[row:])
        else:
            row = candidate.step
            self.trials.replace(row, outcome)
            if np.isfinite(self.trials.value[row]):
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
                self._learn(batch, *trials.outcomes)
                self._queue.extend(unfinished)
                return
            told = [trial if warm is None else replace(trial, warm=warm) for trial in trials]
            self.trials.extend(told, batch.genes, batch.keys)
            self._learn(batch, np.arange(len(trials)), self.trials.value[-len(trials) :])
            for key in {f"{key:016x}" for key in batch.keys.tolist()} & self._pending.keys():
                del self._pending[key]
            self._queue = deque(one for one in self._queue if int(one.batch.keys[0]) not in self._told)
        self._queue.extend(unfinished)

    def retry_failed(self) -> int:
        """Ask for the failed trials again, before all else; return how many they are."""
        again = {one.step for one in self.unfinished}  # of a part of the run that was stopped
        failed = [row for row in np.flatnonzero(~np.isfinite(self.trials.value)).tolist() if row not in again]
        batch = self._batch.view
        self._queue.extendleft(
            Candidate(
                batch.take(slice(row, row + 1)), trial.proposed_by, trial.predicted_mean, trial.predicted_std, step=row
            )
            for row, trial in ((row, self.trials[row]) for row in failed[::-1])
        )
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
            return bool(np.isfinite(self.trials.value[candidate.step]))
        return candidate.key not in self._pending and int(candidate.batch.keys[0]) in self._told

    def _outcome(self, outcome: Outcome | Mapping[str, float] | float) -> Outcome:
        name = self.trials.value_name
        if not isinstance(outcome, Outcome):
            try:
                outcome = Outcome(outcome if isinstance(outcome, Mapping) else {name: outcome})
            except ValueError as error:
                return Outcome.failed(str(error))
        if outcome.error is None and name not in outcome.values:
            return Outcome.failed(
                f"there is no {name!r} among its values ({', '.join(outcome.values)})", outcome.seconds
            )
        return outcome

    def _choose(self) -> list[Candidate]:
        """The next candidates to evaluate; none, if the surrogate has to wait for what is pending."""
        pending = list(self._pending.values())
        known, allocated = self.trials.known, self.allocated
        warm = len(self.trials) - self.trials.charged
        ready = warm + allocated >= self.initial and len(known) >= self.estimator.min_trials
        if warm + allocated >= self.initial and not ready and pending:
            return []
        wanted = self.batch if ready else max(self.initial - allocated - warm, 1)
        wanted = wanted if self.budget is None else min(wanted, self.budget - allocated)
        rng = np.random.default_rng([self.seed, allocated])
        if ready:
            with self.phases("fit"):  # before it is asked: a strategy may want estimates
                self._fit(known, pending)
        with self.phases("ask"):
            excluded = Batch.join([one.batch for one in pending]) if pending else None
            surrogate = self.estimator if ready else None
            proposal = self.strategy.ask(self.pool if ready else wanted, rng, excluded, surrogate)
        prediction = Prediction(np.full(len(proposal), np.nan))
        scores = prediction.mean
        if ready:
            with self.phases("predict"):
                prediction = proposal.prediction or self.estimator.predict(proposal.batch)
                best = float(self.trials.value[known].max(initial=-np.inf))
                scores = prediction.mean if proposal.chosen else self.acquisition(prediction, best, rng)
        self.rounds += 1
        if proposal.chosen:
            wanted = len(proposal) if self.budget is None else min(len(proposal), self.budget - allocated)
        return [
            Candidate(
                proposal.batch.take(slice(row, row + 1)),
                str(proposal.origin[row]),
                _known(prediction.mean[row]),
                None if prediction.std is None else _known(prediction.std[row]),
                0.0 if place else prediction.seconds,
            )
            for place, row in enumerate(top(scores, wanted).tolist())
        ]

    def _fit(self, known: NDArray[np.intp], pending: list[Candidate]) -> None:
        """Fit the surrogate to all trials, and to what is believed of those that are pending."""
        batch, values = self._batch.view.take(known), self.trials.value[known]
        if pending and len(values) and (beliefs := self.believe(pending, values)):
            batch = Batch.join([batch, *(one.batch for one in pending)])
            values = np.concatenate([values, beliefs])
        self.estimator.fit(batch, values)


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
