from __future__ import annotations

import numpy as np
import pytest

from nas.types import Evaluation, Prediction, Proposal


def test_top_is_best_first_and_keeps_the_order_of_ties_and_missing_estimates() -> None:
    prediction = Prediction(np.array([0.1, np.nan, 0.5, np.nan, 0.5]))
    assert prediction.top(5).tolist() == [2, 4, 0, 1, 3]
    assert Prediction(np.full(4, np.nan)).top(2).tolist() == [0, 1]


def test_take_keeps_mean_std_and_cost_together() -> None:
    taken = Prediction(np.arange(3.0), np.arange(3.0) / 10, cost=2.0).take(np.array([2, 0]))
    assert (taken.mean.tolist(), taken.std.tolist(), taken.cost) == ([2.0, 0.0], [0.2, 0.0], 2.0)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Prediction(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="one shape"):
        Evaluation(np.zeros((3, 1)), np.zeros((3, 1)))


def test_a_prediction_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Prediction(np.zeros(1)).mean = np.ones(1)  # type: ignore[misc]


def test_proposal_takes_rows() -> None:
    proposal = Proposal(np.arange(6, dtype=np.uint8).reshape(3, 2), np.array(["a", "b", "c"]))
    assert proposal.take(np.array([2])).origin.tolist() == ["c"]
