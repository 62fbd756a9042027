"""Forecasts of whole trainings against ridge regression done another way, and what is decided by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from standings import NAN, standing

from nas.schedulers import Forecast, Job, Standing
from nas.schedulers.forecast import forecast_of

RUNGS = (1, 3, 9)


def made(seed: int, whole: int = 12, partial: int = 5, **more: Any) -> Standing:
    """Trials trained whole, and others that stopped on the second rung."""
    rng = np.random.default_rng(seed)
    ends = rng.normal(0.8, 0.05, size=whole + partial)
    at = [[end - 0.3 + rng.normal() * 0.04, end - 0.1 + rng.normal() * 0.02, end] for end in ends]
    predicted = ends + rng.normal(size=len(ends)) * 0.03
    predicted[[1, 4, whole]] = NAN
    return standing(RUNGS, [*at[:whole], *(one[:2] for one in at[whole:])], predicted=predicted.tolist(), **more)


def by_least_squares(seen: Standing, rung: int, row: int) -> tuple[float, float]:
    """Mean and deviation of the end: ridge regression as least squares with one more row for each slope."""
    known = [one for one in range(len(seen.at)) if np.isfinite(seen.at[one, [rung, -1]]).all()]
    end = seen.at[known, -1]
    columns = []
    for column in (seen.at[:, rung], seen.predicted):
        there = column[known][np.isfinite(column[known])]
        scaled = (column - there.mean()) / np.sqrt(((there - there.mean()) ** 2).sum() / len(there))
        columns.append(np.nan_to_num(scaled))
    inputs = np.stack(columns, axis=1)
    # what is unknown lies at the mean of a deviation over those that are known
    x, y = inputs[known], (end - end.mean()) / end.std()
    wide = np.concatenate([x, np.sqrt(0.3) * np.eye(2)])
    slopes: NDArray[np.float64] = np.linalg.lstsq(wide, np.concatenate([y, [0, 0]]), rcond=None)[0]
    noise = (((y - x @ slopes) ** 2).sum() + 2) / (len(known) + 2)
    spread = 1 + 1 / len(known) + inputs[row] @ np.linalg.inv(wide.T @ wide) @ inputs[row]
    return end.mean() + end.std() * inputs[row] @ slopes, end.std() * np.sqrt(noise * spread)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rung", [0, 1])
def test_a_forecast_is_ridge_regression(seed: int, rung: int) -> None:
    seen = made(seed)
    rows = np.arange(12, 17)
    forecast = forecast_of(seen, rung, rows)
    assert forecast.std is not None
    for place, row in enumerate(rows.tolist()):
        mean, deviation = by_least_squares(seen, rung, row)
        assert forecast.mean[place] == pytest.approx(mean, rel=1e-6)
        assert forecast.std[place] == pytest.approx(deviation, rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("chance", [0.05, 0.5, 0.9])
def test_the_most_promising_goes_on_if_its_chance_is_large_enough(seed: int, chance: float) -> None:
    seen = made(seed)
    best = np.nanmax(seen.at[:, -1])
    chances = []
    for row in range(12, 17):
        mean, deviation = by_least_squares(seen, 1, row)
        chances.append(float(norm.sf(best, mean, deviation)))
    wanted = Job(9, 12 + int(np.argmax(chances))) if max(chances) >= chance else Job(1)
    assert Forecast(chance=chance).next(seen) == wanted


def test_nothing_goes_on_where_all_are_hopeless() -> None:
    at = [[0.5 + 0.01 * one, 0.6 + 0.01 * one, 0.7 + 0.01 * one] for one in range(10)]
    bad = [[0.3], [0.31, 0.41]]
    assert Forecast().next(standing(RUNGS, [*at, *bad])) == Job(1)
    assert Forecast().next(standing(RUNGS, [*at, *bad], new=False)) is None
    assert Forecast().next(standing(RUNGS, [*at, *bad, [0.7]])) == Job(3, 12)
    assert Forecast().next(standing(RUNGS, [*at, *bad, [0.7], [0.3, 0.8]])) == Job(9, 13)  # the highest rung first
    assert Forecast().next(standing(RUNGS, [*at, *bad, [0.7]], failed=[12])) == Job(1)
    assert Forecast().next(standing(RUNGS, [*at, *bad, [0.7]], pending=[(0, 1, 12)])) == Job(1)


def test_estimates_matter_where_they_are_informative() -> None:
    rng = np.random.default_rng(3)
    ends = rng.uniform(0.6, 0.9, size=20)
    at = [[0.3, 0.4, end] for end in ends]
    looks = [[0.3], [0.3]]  # alike
    good = [*ends.tolist(), 0.5, 0.95]
    assert Forecast().next(standing(RUNGS, [*at, *looks], predicted=good)) == Job(3, 21)
    assert Forecast().next(standing(RUNGS, [*at, *looks], predicted=[*good[:20], 0.95, 0.5])) == Job(3, 20)
    assert Forecast().next(standing(RUNGS, [*at, *looks], predicted=[*good[:20], 0.5, 0.5])) == Job(1)
    noise = rng.permutation(ends).tolist()
    seen = [forecast_of(standing(RUNGS, [*at, *looks], predicted=[*column, 0.95, 0.5]), 0, np.array([20, 21])).mean
            for column in (good[:20], noise)]  # fmt: skip
    assert seen[0][0] - seen[0][1] > 5 * abs(seen[1][0] - seen[1][1])


@pytest.mark.parametrize(
    ("at", "more", "job"),
    [
        ([], {}, Job(1)),
        ([[0.5]], {}, Job(3, 0)),
        ([[0.5, 0.6]], {}, Job(9, 0)),
        ([[0.5, 0.6, 0.7]], {}, Job(1)),
        ([[0.5], [0.6, 0.7], [0.4, 0.5]], {}, Job(9, 1)),  # the highest rung, of it the first
        ([[0.5], [0.6, 0.7]], {"pending": [(0, 2, 1), (0, 1, 0)]}, Job(1)),
        ([[0.5], [0.6]], {"failed": [0]}, Job(3, 1)),
        # a candidate beyond the first waits for what is learned from them
        ([[0.5, 0.6, 0.7]] * 2 + [[0.5]], {"pending": [(0, 1, 2)], "new": False}, None),
        ([[0.5, 0.6, 0.7]] * 2 + [[0.5], [0.9]], {"pending": [(0, 1, 2)]}, Job(1)),
    ],
)
def test_the_first_go_to_the_end(at: list[list[float]], more: dict[str, Any], job: Job | None) -> None:
    assert Forecast(learn=3).next(standing(RUNGS, at, **more)) == job


def test_whole_trainings_alike_do_no_harm() -> None:
    seen = standing(RUNGS, [[0.3, 0.4, 0.5]] * 5 + [[0.3], [0.4]])
    forecast = forecast_of(seen, 0, np.array([5, 6]))
    assert forecast.std is not None
    assert forecast.mean == pytest.approx([0.5, 0.5])
    assert np.isfinite(forecast.std).all()
    assert Forecast(learn=3).next(seen) is not None
