"""What several runs of several methods say: means, queries to a level, gains over random search, and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nas.compare.metrics import sample_efficiency_gain
from nas.compare.runs import Run
from nas.types import Values

MEASURES = ("value", "test_accuracy")
_RESAMPLES = 2000
_ROUNDING = 1e-7  # of values that a table holds in 32 bits, relative where they are above 1


def compare(
    methods: dict[str, list[Run]], at: Sequence[int], levels: Sequence[float], population: Values | None, rng: Generator
) -> dict[str, Any]:
    """Compare methods by runs of one budget on one table.

    Args:
        methods: runs by method, each method's by seed; at least one run each.
        at: numbers of evaluations, each in 1..budget, the last being the budget.
        levels: values the time to which is told.
        population: `(N,)` the value of every architecture, for the sample efficiency gain, or None.
        rng: for the bootstrap.

    Returns:
        `methods`, a list of what `summarise` says, the best last value first, and `tests`, for each measure that is
        known what `paired_tests` says of the last number of evaluations.
    """
    summaries = [summarise(name, runs, at, levels, population, rng) for name, runs in methods.items()]
    summaries.sort(key=lambda summary: -summary["value"][str(at[-1])]["mean"])
    in_order = {summary["method"]: methods[summary["method"]] for summary in summaries}
    tests = {measure: paired_tests(in_order, measure) for measure in MEASURES}
    return {"methods": summaries, "tests": tests}


def summarise(
    name: str, runs: list[Run], at: Sequence[int], levels: Sequence[float], population: Values | None, rng: Generator
) -> dict[str, Any]:
    """Describe one method; the arguments are those of `compare`."""
    value = np.array([run.value for run in runs])
    summary: dict[str, Any] = {"method": name, "runs": len(runs), "seeds": [run.seed for run in runs]}
    for measure in MEASURES:
        column = np.array([getattr(run, measure) for run in runs])
        summary[measure] = {str(n): mean_and_error(column[:, n - 1]) for n in at}
    last, advised = np.array([run.test_accuracy[-1] for run in runs]), np.array([run.recommended for run in runs])
    columns = {"best": last, "recommended": advised, "difference": advised - last}
    summary["recommended"] = {name: mean_and_error(column) for name, column in columns.items()}
    done = np.array([run.evaluations for run in runs])
    summary["evaluations"] = {"least": int(done.min()), "median": float(np.median(done)), "most": int(done.max())}
    summary["queries_to"] = {f"{level:.10g}": time_to(value, done, level) for level in levels}
    summary["gain"] = None if population is None else {str(n): gain(value[:, n - 1], n, population, rng) for n in at}
    timed = [run.seconds for run in runs if run.seconds is not None]
    phases = dict.fromkeys(phase for seconds in timed for phase in seconds)
    summary["wall_seconds"] = {phase: float(np.mean([one.get(phase, 0.0) for one in timed])) for phase in phases}
    summary["timed_runs"] = len(timed)
    return summary


def mean_and_error(column: Values) -> dict[str, float | None]:
    """Mean, standard error and median of some runs; None where a run has no number, or for the error of one run."""
    if np.isnan(column).any():
        return {"mean": None, "standard_error": None, "median": None}
    error = None if len(column) < 2 else float(column.std(ddof=1) / np.sqrt(len(column)))
    return {"mean": float(column.mean()), "standard_error": error, "median": float(np.median(column))}


def time_to(value: NDArray[np.float64], done: NDArray[np.int64], level: float) -> dict[str, float | None]:
    """How many evaluations runs take to reach a level; a run that did not is censored where it ended.

    Args:
        value: `(runs, budget)` best value so far.
        done: `(runs,)` how many evaluations each did.
        level: the level.

    Returns:
        `reached`, the number of runs that did; `median` of the Kaplan-Meier estimate, None where fewer than half did;
        `restricted_mean`, the mean of the evaluations until the level or the end, and its `standard_error`.
    """
    from scipy.stats import CensoredData, ecdf

    level -= _ROUNDING * max(1.0, abs(level))
    reached = value[:, -1] >= level
    needed = np.where(reached, (value >= level).argmax(axis=1) + 1, done).astype(np.float64)
    survival = ecdf(CensoredData.right_censored(needed, ~reached)).sf
    half = survival.quantiles[survival.probabilities <= 0.5 + 1e-9]
    median = float(half[0]) if len(half) else None
    told = mean_and_error(needed)
    return {
        "reached": int(reached.sum()),
        "median": median,
        "restricted_mean": told["mean"],
        "standard_error": told["standard_error"],
    }


def gain(best: Values, n: int, population: Values, rng: Generator) -> dict[str, Any]:
    """Sample efficiency gain of some runs' best values `(runs,)` after `n` evaluations.

    Returns:
        `gain`, that of their mean, as defined; `median`, that of the median run; and for both a bootstrap interval over
        the runs, which holds 95 % of the resamples, None for one run.
    """
    drawn = best[rng.integers(len(best), size=(_RESAMPLES, len(best)))]
    levels = [best.mean(), np.median(best)]
    for statistic in (drawn.mean(axis=1), np.median(drawn, axis=1)):
        levels.extend(np.quantile(statistic, [0.025, 0.975], method="inverted_cdf"))  # the gain is monotone
    if np.isnan(levels).any():
        return {"gain": None, "interval": None, "median": None, "median_interval": None}
    mean, median, *ends = sample_efficiency_gain(population, np.array(levels), n).tolist()
    intervals = (ends[:2], ends[2:]) if len(best) > 1 else (None, None)
    return {"gain": mean, "interval": intervals[0], "median": median, "median_interval": intervals[1]}


def paired_tests(methods: dict[str, list[Run]], measure: str) -> list[dict[str, Any]]:
    """Wilcoxon's signed-rank test of each two methods by their last values at the seeds that both have.

    Returns:
        For each pair `first`, `second`, the number of `seeds`, on how many of them the first is `better` and `worse`,
        the `mean_difference` first less second, the two-sided `p` and `p_holm`, corrected for all pairs (Holm 1979);
        None where there is no seed in common.
    """
    seeds = sorted({run.seed for runs in methods.values() for run in runs})
    column = {seed: place for place, seed in enumerate(seeds)}
    last = np.full((len(methods), len(seeds)), np.nan)
    for row, runs in enumerate(methods.values()):
        last[row, [column[run.seed] for run in runs]] = [getattr(run, measure)[-1] for run in runs]
    names, tests = list(methods), []
    for one, other in combinations(range(len(names)), 2):
        difference = last[one] - last[other]
        difference[np.abs(difference) <= _ROUNDING * np.maximum(1, np.abs(last[one]))] = 0  # equal but for rounding
        difference = difference[np.isfinite(difference)]
        p = _signed_rank(difference)
        tests.append({
            "first": names[one],
            "second": names[other],
            "seeds": len(difference),
            "better": int((difference > 0).sum()),
            "worse": int((difference < 0).sum()),
            "mean_difference": float(difference.mean()) if len(difference) else None,
            "p": p,
        })  # fmt: skip
    known = [test for test in tests if test["p"] is not None]
    corrected = holm(np.array([test["p"] for test in known]))
    for test in tests:
        test["p_holm"] = None
    for test, p in zip(known, corrected.tolist(), strict=True):
        test["p_holm"] = p
    return tests


def _signed_rank(difference: Values) -> float | None:
    """Equal pairs count for neither side, as Wilcoxon had it; 1 where all are equal."""
    from scipy.stats import wilcoxon

    if not len(difference):
        return None
    return float(wilcoxon(difference).pvalue) if difference.any() else 1.0


def holm(p: Values) -> Values:
    """`(n,)`: p-values of `n` tests so corrected that the chance of any false rejection is held (Holm 1979)."""
    order = np.argsort(p)
    steps = np.minimum(p[order] * np.arange(len(p), 0, -1), 1)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected
