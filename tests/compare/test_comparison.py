from __future__ import annotations

import numpy as np
import pytest
from comparable import run_of

from nas.compare.figures import band, by_cost
from nas.compare.metrics import sample_efficiency_gain
from nas.compare.runs import Run
from nas.compare.statistics import gain, holm, paired_tests, time_to


def run(seed: int, value: float) -> Run:
    return run_of(np.array([value]), seed)


def test_runs_that_never_reach_a_level_are_censored_not_dropped() -> None:
    curves = np.array([[1, 5, 5, 5], [1, 1, 1, 5], [1, 1, 1, 1], [5, 5, 5, 5], [1, 1, 1, 2.0]])
    whole = np.full(5, 4)
    told = time_to(curves, whole, 5)
    assert told["reached"] == 3
    assert told["median"] == 4  # 1, 2, 4, and two later than 4
    assert told["restricted_mean"] == pytest.approx((2 + 4 + 4 + 1 + 4) / 5)
    assert time_to(curves[[0, 2, 4]], whole[:3], 5)["median"] is None
    never = time_to(curves[[2, 4]], whole[:2], 5)
    assert never == {"reached": 0, "median": None, "restricted_mean": 4, "standard_error": 0}
    assert time_to(curves, whole, 1)["median"] == 1


def test_runs_that_were_stopped_are_censored_where_they_ended() -> None:
    curves = np.array([[1, 5, 5, 5], [1, 1, 1, 1], [1, 1, 1, 5]])  # the second was stopped after one
    told = time_to(curves, np.array([4, 1, 4]), 5)
    assert told["restricted_mean"] == pytest.approx((2 + 1 + 4) / 3)
    assert told["median"] == 2  # Kaplan-Meier: after one evaluation two are at risk, and one of them reaches it


def test_a_level_is_reached_by_a_value_rounded_to_32_bits() -> None:
    for level in (0.94, -123456.7):
        assert time_to(np.array([[np.float64(np.float32(level))]]), np.ones(1, dtype=int), level)["reached"] == 1


def test_the_interval_of_the_gain_is_that_of_the_resampled_gains() -> None:
    population = np.random.default_rng(0).integers(0, 1000, size=5000) / 1000
    best = np.array([0.95, 0.99, 0.97, 0.96, 0.999])
    told = gain(best, 10, population, np.random.default_rng(3))
    drawn = best[np.random.default_rng(3).integers(5, size=(2000, 5))]
    resampled = np.sort(sample_efficiency_gain(population, drawn.mean(axis=1), 10))
    assert told["interval"] == [resampled[49], resampled[1949]]
    assert told["gain"] == sample_efficiency_gain(population, best[:, None].mean(axis=0), 10)[0]
    assert told["median"] == sample_efficiency_gain(population, np.array([0.97]), 10)[0]
    each = np.sort(sample_efficiency_gain(population, best, 10))
    assert told["median"] == each[2]  # the gain of the median run is the median of the runs' gains
    assert told["median_interval"][0] >= each[0]
    assert gain(best[:1], 10, population, np.random.default_rng(3))["interval"] is None


def test_holm_corrects_as_published() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_pairs_are_made_by_seed() -> None:
    rng = np.random.default_rng(0)
    seeds = list(range(12))
    worse = {seed: rng.random() for seed in seeds}
    better = {seed: worse[seed] + 0.001 * (1 + seed) for seed in seeds}
    methods = {
        "better": [run(seed, better[seed]) for seed in seeds],
        "worse": [run(seed, worse[seed]) for seed in [*seeds[::-1]][:10]],
        "same": [run(seed, better[seed]) for seed in seeds],
        "apart": [run(99, 0.5)],
    }
    tests = {(test["first"], test["second"]): test for test in paired_tests(methods, "value")}
    assert len(tests) == 6
    pair = tests["better", "worse"]
    assert (pair["seeds"], pair["better"], pair["worse"]) == (10, 10, 0)
    assert pair["p"] == pytest.approx(2 / 2**10)  # exact: all ten differences of one sign
    assert pair["mean_difference"] == pytest.approx(0.001 * np.mean([1 + seed for seed in seeds[2:]]))
    assert pair["p_holm"] == pytest.approx(3 * 2 / 2**10)  # three pairs have seeds in common
    assert tests["better", "same"]["p"] == 1
    apart = tests["better", "apart"]
    assert (apart["seeds"], apart["p"], apart["p_holm"], apart["mean_difference"]) == (0, None, None, None)


@pytest.mark.parametrize("scale", [1, 100])
def test_values_that_differ_by_32_bits_rounding_are_equal(scale: float) -> None:
    """NAS-Bench-101's means of three runs, as its table holds them: neighbours in 32 bits, else 0.0000333 apart."""
    value = np.float32(0.94 * scale)
    above = np.nextafter(value, np.float32(np.inf))
    first = [run(seed, float(above)) for seed in range(8)]
    [test] = paired_tests({"first": first, "second": [run(seed, float(value)) for seed in range(8)]}, "value")
    assert (test["seeds"], test["better"], test["worse"], test["p"]) == (8, 0, 0, 1)
    apart = [run(seed, float(value) - 3.33e-5 * scale) for seed in range(8)]
    [test] = paired_tests({"first": first, "apart": apart}, "value")
    assert (test["better"], test["worse"], test["p"]) == (8, 0, pytest.approx(2 / 2**8))


def test_what_a_run_had_after_so_many_seconds() -> None:
    cost = np.array([[1.0, 2.0, 10.0], [3.0, 5.0, 9.0]])
    value = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    seconds, had = by_cost(cost, value)
    assert (seconds[0], seconds[-1]) == (3, 9)
    for second, column in zip(seconds, had.T, strict=True):
        assert column.tolist() == [row[cost[i] <= second][-1] for i, row in enumerate(value)]


def test_bands() -> None:
    matrix = np.array([[1.0], [2.0], [3.0], [10.0]])
    assert [float(part[0]) for part in band(matrix, "median")] == [2.5, 1.75, 4.75]
    middle, low, high = band(matrix, "mean")
    assert (middle[0], high[0] - low[0]) == pytest.approx((4, matrix.std(ddof=1)))
