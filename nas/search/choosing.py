"""A round: a strategy proposes, the surrogate ranks, and the first are chosen; and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.search.phases import Phases
from nas.search.trials import Trials
from nas.types import Acquisition, Batch, Candidate, Estimator, Outcome, Prediction, Strategy, Values, top

Belief = Callable[[list[Candidate], Values], list[float]]


def believe_estimates(pending: list[Candidate], values: Values) -> list[float]:
    """Take each pending candidate to be worth its estimate (Ginsbourger et al. 2010, the kriging believer).

    Where there is no estimate, it is taken to be worth the mean of the `(n,)` known values.
    """
    return [float(values.mean()) if one.mean is None else one.mean for one in pending]


def choose(
    strategy: Strategy,
    surrogate: Estimator | None,
    acquisition: Acquisition,
    pool: int,
    wanted: int,
    most: int | None,
    pending: list[Candidate],
    best: float,
    rng: Generator,
    phases: Phases,
) -> list[Candidate]:
    """Choose candidates to evaluate, best first; fewer than `wanted` where the strategy has no more.

    Args:
        strategy: proposes.
        surrogate: fitted to all trials; None: it is not asked yet.
        acquisition: ranks.
        pool: how many are proposed.
        wanted: how many of them are chosen.
        most: how many may be, where the strategy says that all are to be evaluated; None: as many as it says.
        pending: candidates that are being evaluated.
        best: the highest value known.
        rng: draws.
        phases: collects the seconds.
    """
    with phases("ask"):
        excluded = Batch.join([one.batch for one in pending]) if pending else None
        proposal = strategy.ask(pool, rng, excluded, surrogate)
    prediction = Prediction(np.full(len(proposal), np.nan))
    scores = prediction.mean
    if surrogate is not None:
        with phases("predict"):
            prediction = proposal.prediction or surrogate.predict(proposal.batch)
            scores = prediction.mean if proposal.chosen else acquisition(prediction, best, rng)
    if proposal.chosen:
        wanted = len(proposal) if most is None else min(len(proposal), most)
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


def recommended(
    estimator: Estimator, batch: Batch, values: Values, trials: Trials, among: NDArray[np.intp] | None
) -> int | None:
    """The leading trial with the highest mean of value and posterior mean, of a surrogate that tells noise apart.

    Args:
        estimator: the surrogate; fitted to all trials.
        batch: the `n` architectures of the trials.
        values: `(n,)` what each would be worth after a whole training; NaN where it failed.
        trials: all.
        among: rows of which one is recommended; None: the leading.
    """
    known, posterior = trials.known, getattr(estimator, "posterior", None)
    leading = trials.leading if among is None else among
    if posterior is None or len(known) < estimator.min_trials:
        return None
    estimator.fit(batch.take(known), values[known])
    believed = posterior(batch.take(leading))
    if believed is None or not np.isfinite(believed.mean).any():
        return None
    return int(leading[np.nanargmax(believed.mean + trials.value[leading])])


def outcome_of(told: Outcome | Mapping[str, float] | float, value: str) -> Outcome:
    """What was told, with the value that the search sees; else a failure that says what was missing."""
    outcome = told
    if not isinstance(outcome, Outcome):
        try:
            outcome = Outcome(outcome if isinstance(outcome, Mapping) else {value: outcome})
        except ValueError as error:
            return Outcome.failed(str(error))
    if outcome.error is None and value not in outcome.values:
        given = ", ".join(outcome.values)
        return Outcome.failed(f"there is no {value!r} among its values ({given})", outcome.seconds)
    return outcome


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
