"""The trials of a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from journals import VALUE, candidate, made

from nas.search import Trial, Trials
from nas.spaces import NB101
from nas.types import Outcome


class TestTrials:
    def test_a_trial_is_what_was_asked_and_what_came_of_it(self, small_space: NB101) -> None:
        trials = Trials(len(small_space.cardinalities), VALUE)
        asked = candidate(small_space, 5, mean=0.25, std=0.125, seconds=3.0)
        outcome = Outcome({VALUE: 0.5, "latency": 2.0}, 7.0, 4, details={"curve": [1, 2]}, partial=True)
        assert trials.append(asked, outcome) == 0
        expected = Trial(
            step=0, key=asked.key, genes=asked.genes.tolist(), values={VALUE: 0.5, "latency": 2.0}, seconds=7.0,
            predicted_mean=0.25, predicted_std=0.125, proposed_by="mutation", epochs=4, estimate_seconds=3.0,
            warm=False, error=None, details={"curve": [1, 2]}, partial=True, bracket=0, clock=None,
        )  # fmt: skip
        assert [*trials] == [expected]
        assert trials.best == expected
        assert trials[-1] == expected
        with pytest.raises(IndexError):
            trials[1]

    def test_columns_are_those_of_the_trials_however_many(self, small_space: NB101) -> None:
        values = [None if row % 7 == 3 else row / 256 for row in range(200)]
        trials = made(small_space, values)
        assert len(trials) == trials.charged == 200
        assert trials.failures == values.count(None)
        assert np.array_equal(trials.value, np.array(values, dtype=float), equal_nan=True)
        assert trials.known.tolist() == [row for row, value in enumerate(values) if value is not None]
        assert (trials.genes == small_space.enumerate()[:200]).all()
        assert (trials.keys == small_space.keys(trials.genes)).all()
        assert trials.seconds.tolist() == [2.0 if value is None else 10.0 for value in values]
        assert np.array_equal(trials.epochs, [np.nan if v is None else 12 for v in values], equal_nan=True)
        assert trials.estimate_seconds.tolist() == [0.25] * 200
        assert not trials.warm.any()
        assert [trial.error for trial in trials] == ["too large" if value is None else None for value in values]

    def test_a_value_that_comes_late_is_unknown_before(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, 0.25])
        trials.append(candidate(small_space, 2), Outcome({VALUE: 0.75, "latency": 3.0}))
        assert np.array_equal(trials.values["latency"], [np.nan, np.nan, 3.0], equal_nan=True)
        trials.append(candidate(small_space, 3), Outcome({VALUE: 0.75}))
        assert np.isnan(trials.values["latency"][-1])
        assert trials[0].values == {VALUE: 0.5}
        assert [trial.estimate_seconds for trial in trials] == [0.25, 0.25, 0.0, 0.0]

    def test_the_best_is_the_first_of_the_highest_values(self, small_space: NB101) -> None:
        assert Trials(3, VALUE).best is None
        assert made(small_space, [None, None]).best is None
        assert made(small_space, [0.5, 0.25]).best.step == 0
        trials = made(small_space, [None, -3.0, 0.5, 0.25, 0.5])
        assert trials.best.step == 2
        assert [trial.step for trial in trials.top(3)] == [2, 4, 3]
        assert [trial.step for trial in trials.top(9)] == [2, 4, 3, 1]

    def test_a_repetition_takes_the_place_of_what_failed(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None, 0.75])
        trials.replace(1, Outcome({VALUE: 0.9}, 5.0, 6, details={"curve": [3]}, partial=True))
        assert (trials[1].values, trials[1].seconds, trials[1].error) == ({VALUE: 0.9}, 7.0, None)
        assert (trials[1].epochs, trials[1].details, trials[1].partial) == (6, {"curve": [3]}, True)
        assert (trials.best.step, trials.failures, trials.charged, len(trials)) == (2, 0, 3, 3)  # it is not whole

    def test_a_repetition_that_fails_again_stays_failed(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None])
        trials.replace(1, Outcome.failed("killed"))
        assert (trials[1].error, trials[1].seconds, trials.failures, trials.best.step) == ("killed", 2.0, 1, 0)

    def test_what_no_attempt_told_the_seconds_of_has_none(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5])
        trials.append(candidate(small_space, 1), Outcome.failed("killed"))
        trials.replace(1, Outcome({VALUE: 0.75}))
        assert (trials[1].seconds, trials[1].values) == (None, {VALUE: 0.75})

    def test_a_repetition_as_good_as_the_best_is_the_best_where_its_row_comes_first(self, small_space: NB101) -> None:
        """So that a search that goes on knows the same best, whatever the order in which it learns of both."""
        trials = made(small_space, [None, 0.75, None])
        trials.replace(2, Outcome({VALUE: 0.75}))
        assert trials.best.step == 1
        trials.replace(0, Outcome({VALUE: 0.75}))
        assert trials.best.step == 0

    def test_recorded_trials_are_appended_as_they_were(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0])
        told = [replace(trial, warm=trial.step == 0) for trial in trials]
        again = Trials(len(small_space.cardinalities), VALUE)
        for rows in (slice(1), slice(1, 3)):
            again.extend(told[rows], trials.genes[rows], trials.keys[rows])
        assert [*again] == told
        assert (again.charged, again.failures, again.best.step) == (2, 1, 2)
        assert again.events.outcomes[0].tolist() == [0, 1, 2]
        assert again.warm.tolist() == [True, False, False]
        assert (again.warm.dtype, again.genes.dtype, again.keys.dtype) == (bool, np.uint8, np.uint64)

    def test_details_are_found_by_name(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None])
        trials.append(candidate(small_space, 2), Outcome({VALUE: 1.0}, details={"test": 0.25}))
        assert trials.detail("test") == [None, None, 0.25]

    def test_to_pandas_has_a_column_for_each_value(self, small_space: NB101) -> None:
        frame = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0]).to_pandas()
        assert frame.columns[:5].tolist() == ["step", "key", "genes", VALUE, "latency"]
        assert frame["step"].tolist() == [0, 1, 2]
        assert np.array_equal(frame[VALUE], [0.5, np.nan, 0.75], equal_nan=True)
        assert np.array_equal(frame["latency"], [1.0, np.nan, 2.0], equal_nan=True)
        assert frame["error"].isna().tolist() == [True, False, True]
        assert frame["error"][1] == "too large"
        assert frame["genes"].tolist() == small_space.enumerate()[:3].tolist()
        assert frame["seconds"].tolist() == [10.0, 2.0, 10.0]
