from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nas.benchmarks.table import read_table
from nas.compare.metrics import expected_best_of_random, incumbents, queries_of_random, sample_efficiency_gain
from nas.spaces import NB101


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


def test_of_several_draws_with_the_best_value_each_is_as_likely_reported() -> None:
    signal, reported = np.array([0.8, 0.3, 0.8, 0.1]), np.array([1.0, 5.0, 3.0, 4.0])
    shuffled = [np.random.default_rng(seed).permutation(4) for seed in range(4000)]
    drawn = [reported[draws[signal[draws].argmax()]] for draws in (order[:2] for order in shuffled)]
    assert expected_best_of_random(signal, 2, reported)[1] == pytest.approx(np.mean(drawn), abs=0.08)


def test_random_search_needs_as_many_draws_as_its_expected_best_says() -> None:
    population = np.random.default_rng(0).integers(0, 40, size=200) / 40
    curve = expected_best_of_random(population, 200)
    levels = np.array([0.0, 0.5, curve[6], curve[6] + 1e-9, 0.9, 0.97, population.max()])
    expected = [int(np.argmax(curve >= level - 1e-10)) + 1 for level in levels]
    assert queries_of_random(population, levels).tolist() == expected
    assert expected[2:4] == [7, 8]
    assert sample_efficiency_gain(population, curve[[9, 99]], 10).tolist() == [1.0, 10.0]


def test_levels_of_large_values_are_compared_as_exactly_as_they_are_known() -> None:
    """The mean of equal numbers may come out above them."""
    population = np.arange(100) * 1e5 + 0.1
    above = np.nextafter(population[-1:], np.inf)
    assert queries_of_random(population, above).tolist() == [100]
    with pytest.raises(ValueError, match="must be at most"):
        queries_of_random(population, population[-1:] + 1)


def test_the_gain_on_the_real_table_is_what_the_definition_gives(real_table: Path) -> None:
    """Figures of N_RS and of the gain at 150 that were worked out independently of this code."""
    levels = np.array([0.9390, 0.9400, 0.9410, 0.9415, 0.9420, 0.9422])
    population = read_table(real_table, NB101()).columns.test
    needed = queries_of_random(population, levels)
    assert needed == pytest.approx([1537, 4815, 17266, 34560, 71831, 97386], abs=1)
    assert sample_efficiency_gain(population, levels, 150).round() == pytest.approx([10, 32, 115, 230, 479, 649])
    assert queries_of_random(population, population.max(keepdims=True)).tolist() == [423_624]


@pytest.mark.parametrize("level", [0.91, np.nan])
def test_a_level_that_no_architecture_reaches_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=r"must be at most 0\.9, the best value"):
        queries_of_random(np.array([0.1, 0.9]), np.array([0.2, level]))


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
