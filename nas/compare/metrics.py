"""Measures of a search's outcome."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from nas.types import Values

_NOTHING = 1e-25  # a probability that changes no digit of an expectation
_ROUNDING = 1e-10  # of expected values, relative to the best where that is above 1


def incumbents(values: Values) -> Values:
    """`(n,)`: the best value after each evaluation; NaN, a failed one, until the first that succeeded."""
    return np.fmax.accumulate(values)


def percent_scale(numbers: Values) -> int:
    """100, to show in percent what lies within 0..1, as accuracies do; 1 for anything else. NaN does not count."""
    numbers = numbers[~np.isnan(numbers)]
    return 100 if ((numbers >= 0) & (numbers <= 1)).all() else 1


def expected_best_of_random(population: Values, budget: int, reported: Values | None = None) -> Values:
    """Expected best of 1..budget draws without replacement from all values of a space, exactly.

    Of the distinct values v_1 < ... < v_m, with c_i architectures at or below v_i, the best of n draws is at most v_i
    with probability C(c_i, n) / C(N, n); the expectation is v_m less the sum of these probabilities times the gaps
    v_{i+1} - v_i.

    Args:
        population: `(N,)` the value of every architecture.
        budget: largest number of draws, at most N.
        reported: `(N,)` what is reported of the best draw, such as its test accuracy (of several with one value, each
            is as likely the best); None: its value.

    Returns:
        `(budget,)`.

    Raises:
        ValueError: `budget` is not in 1..N.
    """
    size = len(population)
    if not 1 <= budget <= size:
        raise ValueError(f"budget is {budget}, must be 1..{size}")
    levels, level, count = np.unique(population, return_inverse=True, return_counts=True)
    if reported is not None:
        levels = np.bincount(level, weights=reported) / count
    gaps, below = np.diff(levels), np.cumsum(count)[:-1].astype(np.float64)
    at_most = np.ones(len(below))
    result = np.empty(budget)
    for n in range(budget):
        at_most *= np.maximum(below - n, 0) / (size - n)
        result[n] = levels[-1] - at_most @ gaps
        if len(at_most) and at_most[0] < _NOTHING:  # low levels no longer count: most of the work is at the top
            left = int(np.searchsorted(at_most, _NOTHING))
            at_most, below, gaps = at_most[left:], below[left:], gaps[left:]
    return result


def queries_of_random(population: Values, levels: Values) -> NDArray[np.int64]:
    """How many draws without replacement random search needs until its expected best reaches each level, exactly.

    The expectation is that of `expected_best_of_random`; nothing is simulated.

    Args:
        population: `(N,)` the value of every architecture.
        levels: `(k,)`, each at most the best value of the population.

    Returns:
        `(k,)` the smallest numbers of draws, 1..N.

    Raises:
        ValueError: a level is NaN, or above the best value by more than rounding.
    """
    from scipy.special import gammaln

    values, count = np.unique(population, return_counts=True)
    size, best = len(population), float(values[-1])
    rounding = _ROUNDING * max(1.0, abs(best))
    for level in levels[~(levels <= best + rounding)][:1]:
        raise ValueError(f"level is {level}, must be at most {best}, the best value of the space")
    gaps, below = np.diff(values), np.cumsum(count)[:-1].astype(np.float64)

    def expected_best(n: int) -> float:
        enough = below >= n
        c = below[enough]
        log_probability = gammaln(c + 1) - gammaln(c - n + 1) - gammaln(size + 1) + gammaln(size - n + 1)
        return best - float(np.exp(log_probability) @ gaps[enough])

    numbers = range(1, size + 1)
    found = [numbers[bisect_left(numbers, float(level) - rounding, key=expected_best)] for level in levels]
    return np.array(found, dtype=np.int64)


def sample_efficiency_gain(population: Values, levels: Values, n: int) -> Values:
    """How many times fewer architectures than random search a method needed that reached each level after `n`.

    SEG(n) = N_RS(a_n) / n, with a_n the expected best value after n evaluations and N_RS(a) the number that random
    search needs to reach the same expected value: the project's definition of the gain that Mauch et al. (2020,
    arXiv 2011.12043) ask for. 1 is random search.

    Args:
        population: `(N,)` the value of every architecture.
        levels: `(k,)` the expected best values after `n` evaluations.
        n: evaluations, at least 1.

    Returns:
        `(k,)`.

    Raises:
        ValueError: as for `queries_of_random`.
    """
    return queries_of_random(population, levels) / n
