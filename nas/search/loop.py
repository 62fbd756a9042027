"""The loop: connects a search with an evaluator, a journal and callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from nas.budget import Budget
from nas.errors import UserError
from nas.search.callbacks import Callback
from nas.search.clock import Clock, SimulatedClock, WallClock
from nas.search.journal import Journal
from nas.search.search import Search
from nas.types import Candidate, Evaluator, Outcome

_log = logging.getLogger(__name__)

_HOPELESS = 10  # trials that failed, and no other, after which a search stops


def run_search(
    search: Search,
    evaluator: Evaluator,
    journal: Journal,
    budget: Budget | int,
    callback: Callback,
    stops: Callable[[], str | None] = lambda: None,
) -> str | None:
    """Spend the budget, or as much of it as there are architectures, unless there is a reason to stop before.

    Returns:
        Why it stopped before; what was running then is waited for.

    Raises:
        UserError: nothing can be evaluated; whatever else was done at the same time is recorded first.
    """
    running: dict[Future[Outcome], Candidate] = {}
    budget = Budget.of(budget)
    before = float(np.nanmax(search.trials.events.clock, initial=0.0))
    if hasattr(evaluator, "start"):  # what its workers need before the first evaluation is not the search's time
        with search.phases("setup"):
            evaluator.start()
    clock: Clock = SimulatedClock(before) if getattr(evaluator, "simulated", False) else WallClock(before)
    told = budget.unit == "seconds" or isinstance(clock, SimulatedClock)  # that of the wall makes no history twice
    search.clock, noted = clock.now if told else None, -1
    # With one slot what a stop leaves follows from the rest, but for trainings that are paid anew.
    alone = evaluator.slots == 1 and (isinstance(clock, SimulatedClock) or search.schedule.scheduler.full)
    reason: str | None = None
    callback.on_start(search, budget)
    try:
        while True:
            reason = reason or stops()
            while reason is None and len(running) < evaluator.slots and (asked := search.ask()):
                if not alone or (search.rounds != noted and len(search.unfinished) > 1):
                    with search.phases("journal"):
                        journal.note_pending(search.unfinished)
                    noted = search.rounds
                with search.phases("evaluate"):
                    future = _submitted(evaluator, asked[0])
                    running[future] = asked[0]
                    clock.begin(asked[0], future)
            if not running:
                break
            with search.phases("evaluate"):
                done = clock.wait(running)
            search.clock = clock.now if told else None
            with search.phases("journal"):
                over = [(running.pop(future), future) for future in [*running] if future in done]
                _record(over, search, journal, callback)
        whole = search.spending.spent >= budget.amount
        if reason is None and search.used_up and not whole:
            _log.warning("the space is used up after %d evaluations", search.trials.charged)
    finally:
        callback.on_end(search)
    return None if whole else reason


def _record(
    done: list[tuple[Candidate, Future[Outcome]]], search: Search, journal: Journal, callback: Callback
) -> None:
    """Record what is done; an error that ends the search is raised after all else is recorded."""
    ends: BaseException | None = None
    trials = []
    for candidate, future in done:
        try:
            outcome = _outcome(future)
        except BaseException as error:
            ends = ends or error
            continue
        trial = search.tell(candidate, outcome)
        journal.record(trial if candidate.step is None else replace(trial, seconds=outcome.seconds))
        if candidate.step is not None and trial.error:  # else a repetition that failed again would be pending for ever
            journal.note_pending(search.unfinished)
        trials.append(trial)
    if len(done) > 1:
        journal.sync()  # the next may be long in coming
    for trial in trials:
        callback.on_trial(search, trial)
    if ends is not None:
        raise ends
    failures, charged = search.trials.failures, search.trials.charged
    anew = any(candidate.step is None for candidate, _ in done)
    if anew and failures == charged >= _HOPELESS:
        first = search.trials[len(search.trials) - charged]
        raise UserError(f"all {charged} evaluations failed; the first: {first.error}")


def _submitted(evaluator: Evaluator, candidate: Candidate) -> Future[Outcome]:
    try:
        future = evaluator.submit(candidate)
        if not isinstance(future, Future):
            raise UserError(f"the evaluator's submit gave {future!r}, must be a concurrent.futures.Future")
    except Exception as error:  # a fault of the evaluator's own code is told as the outcome of a future is
        future = Future()
        future.set_exception(error)
    return future


def _outcome(future: Future[Outcome]) -> Outcome:
    """What came of an evaluation: an exception of an evaluator's own code is a failed trial.

    Raises:
        UserError: the evaluator says that no candidate can be evaluated, or gives no outcome.
    """
    try:
        outcome = future.result()
    except UserError:
        raise
    except ImportError as error:  # it would fail every candidate
        raise UserError(f"the evaluator cannot run ({error}): mend it, and continue with resume=FOLDER") from error
    except Exception as error:  # whatever an evaluator of the user's may raise
        return Outcome.failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
    if not isinstance(outcome, Outcome):
        raise UserError(f"the evaluator gave {outcome!r}, must be a nas.types.Outcome")
    return outcome
