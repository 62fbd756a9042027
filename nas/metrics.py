"""Measures of a search's outcome."""

from __future__ import annotations

import numpy as np

from nas.types import Values


def incumbents(values: Values) -> Values:
    """`(n,)`: the best value after each evaluation; NaN, a failed one, until the first that succeeded."""
    return np.fmax.accumulate(values)


def expected_best_of_random(population: Values, budget: int, reported: Values | None = None) -> Values:
    """Expected best of 1..budget draws without replacement from all values of a space, exactly.

    Of the sorted values v_1 <= ... <= v_N, the best of n draws is at most v_i with probability C(i, n) / C(N, n); the
    expectation is v_N less the sum of these probabilities times the gaps v_{i+1} - v_i.

    Args:
        population: `(N,)` the value of every architecture.
        budget: largest number of draws, at most N.
        reported: `(N,)` what is reported of the best draw, such as its test accuracy; None: its value.

    Returns:
        `(budget,)`.

    Raises:
        ValueError: `budget` is not in 1..N.
    """
    size = len(population)
    if not 1 <= budget <= size:
        raise ValueError(f"budget is {budget}, must be 1..{size}")
    ordered = np.sort(population) if reported is None else reported[np.argsort(population, kind="stable")]
    gaps = np.diff(ordered)
    rank = np.arange(1, size, dtype=np.float64)
    at_most = np.ones(size - 1)
    result = np.empty(budget)
    for n in range(budget):
        at_most *= np.maximum(rank - n, 0) / (size - n)
        result[n] = ordered[-1] - at_most @ gaps
    return result
