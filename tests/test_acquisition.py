from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from nas._config import build
from nas.acquisition import ExpectedImprovement, Mean, ThompsonSampling, UpperConfidenceBound
from nas.errors import UserError
from nas.types import Prediction, top

RNG = np.random.default_rng(0)
PREDICTION = Prediction(np.array([0.90, 0.94, 0.92, 0.95]), np.array([0.05, 0.01, 0.0, 0.0]))


def test_expected_improvement_is_the_integral_it_stands_for() -> None:
    scores = ExpectedImprovement(margin=0.005)(PREDICTION, 0.93, RNG)
    for row in (0, 1):
        mean, std = PREDICTION.mean[row], PREDICTION.std[row]
        integral, _ = quad(lambda y, m=mean, s=std: (y - 0.935) * norm.pdf(y, m, s), 0.935, mean + 10 * std)
        assert scores[row] == pytest.approx(integral, rel=1e-6)
    assert scores[2:] == pytest.approx([0, 0.015])


def test_the_bound_is_the_mean_and_so_many_deviations() -> None:
    assert UpperConfidenceBound(2.0)(PREDICTION, 0.9, RNG) == pytest.approx([1.0, 0.96, 0.92, 0.95])
    assert (Mean()(PREDICTION, 0.9, RNG) == PREDICTION.mean).all()


def test_thompson_draws_each_estimate_by_its_own_distribution() -> None:
    rng = np.random.default_rng(1)
    draws = np.array([ThompsonSampling()(PREDICTION, 0.9, rng) for _ in range(4000)])
    assert draws.mean(axis=0) == pytest.approx(PREDICTION.mean, abs=0.003)
    assert draws.std(axis=0) == pytest.approx(PREDICTION.std, rel=0.05)
    assert np.corrcoef(draws[:, 0], draws[:, 1])[0, 1] == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("acquisition", [UpperConfidenceBound(1.0), ExpectedImprovement(0.0), ThompsonSampling()])
def test_without_standard_deviations_there_is_no_exploration_to_be_had(acquisition) -> None:
    with pytest.raises(UserError, match="^this acquisition needs standard deviations"):
        acquisition(Prediction(np.ones(3)), 0.9, RNG)


def test_missing_scores_come_last_in_their_given_order() -> None:
    assert top(np.array([np.nan, 1.0, np.nan, 2.0, 1.0]), 5).tolist() == [3, 1, 4, 0, 2]


def test_a_negative_factor_is_refused() -> None:
    with pytest.raises(UserError, match=r"^acquisition\.beta is -1, must be at least 0"):
        build({"_target_": "nas.acquisition.UpperConfidenceBound", "beta": -1}, "acquisition")
