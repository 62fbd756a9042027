from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy

from nas.errors import UserError
from nas.estimators import Ridge
from nas.spaces import NB101


def test_ridge_is_the_closed_form_solution(space: NB101) -> None:
    archs = space.unique(space.sample(300, np.random.default_rng(0)))
    known, queries = archs[::2], archs[1::2]
    values = accuracy(space, known)
    estimator = Ridge(space, alpha=10.0)
    estimator.fit(space.batch(known), values)

    def features(some):
        return np.hstack([space.graphs(some).paths(), space.one_hot(some)]).astype(float)

    x, y = features(known), -np.log(1 - values)
    centred = x - x.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + 10 * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
    expected = 1 - np.exp(-(y.mean() + (features(queries) - x.mean(axis=0)) @ weights))
    assert estimator.predict(space.batch(queries)).mean == pytest.approx(expected, abs=1e-4)


def test_ridge_reaches_its_known_rank_correlation(real_table) -> None:
    """Kendall tau of about .59 with 100 labelled cells, mean of 5 splits."""
    from scipy.stats import kendalltau

    from nas.benchmarks.table import read_table

    space = NB101()
    columns = read_table(real_table, space).columns
    taus = []
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(20001)[:100]
        test = np.random.default_rng(seed).permutation(len(columns.archs))[:3000]
        estimator = Ridge(space, alpha=10.0)
        estimator.fit(space.batch(columns.archs[rows]), columns.test[rows])
        taus.append(kendalltau(estimator.predict(space.batch(columns.archs[test])).mean, columns.test[test]).statistic)
    assert 0.54 < np.mean(taus) < 0.66


def test_a_perfect_accuracy_is_an_accuracy(space: NB101) -> None:
    archs = space.unique(space.sample(50, np.random.default_rng(0)))
    values = np.linspace(0.9, 1.0, len(archs))
    estimator = Ridge(space, alpha=1e-3)
    estimator.fit(space.batch(archs), values)
    mean = estimator.predict(space.batch(archs)).mean
    assert np.isfinite(mean).all()
    assert np.corrcoef(mean, values)[0, 1] > 0.9


def test_values_that_are_no_accuracies_are_refused(space: NB101) -> None:
    archs = space.sample(5, np.random.default_rng(0))
    with pytest.raises(UserError, match="accuracies in 0..1, got 93.5"):
        Ridge(space, alpha=1.0).fit(space.batch(archs), np.full(5, 93.5))
    with pytest.raises(UserError, match="alpha is 0"):
        Ridge(space, alpha=0.0)
