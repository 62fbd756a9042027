from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nas.metrics import expected_best_of_random, incumbents
from nas.spaces import NB101
from nas.tables import read_table


def test_expected_best_is_the_mean_over_all_subsets() -> None:
    population = np.array([0.3, 0.1, 0.8, 0.8, 0.2, 0.55])
    expected = [np.mean([max(chosen) for chosen in combinations(population, n)]) for n in range(1, 7)]
    assert expected_best_of_random(population, 6) == pytest.approx(expected)


def test_what_is_reported_is_that_of_the_best_draw() -> None:
    signal = np.array([0.3, 0.1, 0.8, 0.7, 0.2])
    reported = np.array([1.0, 5.0, 2.0, 9.0, 4.0])
    expected = [
        np.mean([reported[max(chosen, key=lambda i: signal[i])] for chosen in combinations(range(5), n)])
        for n in range(1, 6)
    ]
    assert expected_best_of_random(signal, 5, reported) == pytest.approx(expected)


def test_expected_best_reaches_known_levels_of_the_real_table(real_table: Path) -> None:
    """Random search needs 1,537 cells to reach 93.90 % mean test accuracy."""
    curve = expected_best_of_random(read_table(real_table, NB101()).columns.test, 1537)
    assert curve[1536 - 1] < 0.9390 <= curve[1537 - 1] + 1e-7


@pytest.mark.parametrize("budget", [0, 4])
def test_budget_outside_the_population_is_refused(budget: int) -> None:
    with pytest.raises(ValueError, match="must be 1..3"):
        expected_best_of_random(np.arange(3.0), budget)


def test_incumbents_never_fall() -> None:
    assert incumbents(np.array([0.2, 0.1, 0.5, 0.4])).tolist() == [0.2, 0.2, 0.5, 0.5]
