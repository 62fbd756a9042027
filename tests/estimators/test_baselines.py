from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy
from scipy.stats import kendalltau, norm

from nas.encoders import FeatureEncoder
from nas.errors import UserError
from nas.estimators import GaussianProcess, GradientBoosting
from nas.estimators.target import RankNormal
from nas.spaces import NB101

TREES = {"trees": 100, "learning_rate": 0.05, "leaves": 15, "leaf_size": 5, "columns": 0.3, "seed": 0}


def test_normal_scores_keep_the_order_and_ties_and_come_back() -> None:
    values = np.array([0.94, 0.1, 0.9, 0.9, 0.93])
    target = RankNormal(values)
    assert (np.argsort(target.scores, kind="stable") == np.argsort(values, kind="stable")).all()
    assert target.scores[2] == target.scores[3]
    assert target.scores[0] == pytest.approx(norm.ppf(0.9))
    assert target.scores[2] == pytest.approx(norm.ppf(0.4))
    assert target.inverse(target.scores) == pytest.approx(values)
    beyond = target.inverse(np.array([-9.0, 9.0]))
    assert beyond[0] < 0.1
    assert beyond[1] > 0.94


@pytest.mark.parametrize(("n", "step"), [(3, 1), (21, 2)])
def test_beyond_the_known_values_the_slope_of_the_outer_tenth_goes_on(n: int, step: int) -> None:
    values, scores = np.linspace(0, 1, n) ** 2, norm.ppf((np.arange(n) + 0.5) / n)
    low = (values[step] - values[0]) / (scores[step] - scores[0])
    high = (values[-1] - values[-1 - step]) / (scores[-1] - scores[-1 - step])
    found = RankNormal(values[::-1]).inverse(np.array([scores[0] - 1.5, scores[-1] + 2.5]))
    assert found == pytest.approx([values[0] - 1.5 * low, values[-1] + 2.5 * high])


def test_the_spread_of_normal_values_is_their_deviation_times_that_of_the_scores() -> None:
    target = RankNormal(1 + 3 * norm.ppf((np.arange(20) + 0.5) / 20))
    deviations = np.array([0.5, 1.0, 4.0])
    assert target.spread(np.array([-3.0, 0.0, 1.0]), deviations) == pytest.approx(3 * deviations)


def test_scores_may_be_spaced_more_evenly() -> None:
    values = np.random.default_rng(0).normal(size=101) ** 3
    even, half, normal = (RankNormal(values, share) for share in (1.0, 0.5, 0.0))
    place = (np.argsort(np.argsort(values)) + 0.5) / 101
    assert even.scores == pytest.approx(12**0.5 * (place - 0.5))
    assert even.scores.std() == pytest.approx(1, abs=0.01)
    assert half.scores == pytest.approx((even.scores + normal.scores) / 2)
    assert half.inverse(half.scores) == pytest.approx(values)


def test_one_value_alone_has_no_slope() -> None:
    assert RankNormal(np.full(3, 0.5)).inverse(np.array([-1.0, 4.0])).tolist() == [0.5, 0.5]


def test_a_gaussian_process_is_the_closed_form(space: NB101) -> None:
    archs = space.unique(space.sample(120, np.random.default_rng(0)))
    known, queries = archs[::2], archs[1::2]
    values = accuracy(space, known)
    encoder = FeatureEncoder(space, features=["graph"], cells=500)
    estimator = GaussianProcess(space, encoder, length=1.5, linear=0.5, noise=0.1)
    estimator.fit(space.batch(known), values)
    embedded = [encoder.embed(space.batch(some)).values.astype(float) for some in (known, queries)]
    x, q = (some / np.sqrt(embedded[0].shape[1]) for some in embedded)

    def covariance(a, b):
        r = np.sqrt(3) * np.linalg.norm(a[:, None] - b[None], axis=2) / 1.5
        return (1 + r) * np.exp(-r) + 0.5 * (0.01 + a @ b.T)

    target = RankNormal(values)
    gain = np.linalg.solve(covariance(x, x) + 0.1 * np.eye(len(x)), covariance(x, q)).T
    variance = covariance(q, q).diagonal() - (gain * covariance(q, x)).sum(axis=1) + 0.1
    prediction = estimator.predict(space.batch(queries))
    assert prediction.mean == pytest.approx(target.inverse(gain @ target.scores), abs=1e-6)
    assert prediction.std == pytest.approx(target.spread(gain @ target.scores, np.sqrt(variance)), abs=1e-6)


@pytest.mark.parametrize("name", ["gaussian process", "boosting"])
def test_the_baselines_rank_the_real_table(name, real_table) -> None:
    """Kendall tau around .69-.71 with 100 labelled cells on plain graph features."""
    from nas.benchmarks.table import read_table

    space = NB101()
    columns = read_table(real_table, space).columns
    taus = []
    for seed in range(4):
        rows = np.random.default_rng(seed).choice(len(columns.archs), size=2100, replace=False)
        if name == "boosting":
            estimator = GradientBoosting(space, FeatureEncoder(space, features=["graph"]), **TREES)
        else:
            encoder = FeatureEncoder(space, features=["graph"], cells=2000)
            estimator = GaussianProcess(space, encoder, length=1.5, linear=0.5, noise=0.05)
        batch = space.batch(columns.archs[rows])
        estimator.fit(batch.take(slice(100)), columns.test[rows[:100]])
        means = estimator.predict(batch.take(slice(100, None))).mean
        taus.append(kendalltau(means, columns.test[rows[100:]]).statistic)
    assert np.mean(taus) > 0.65


@pytest.mark.parametrize(
    ("change", "message"),
    [({"trees": 0}, "trees is 0"), ({"leaves": 1}, "leaves is 1"), ({"columns": 1.5}, "columns is 1.5")],
)
def test_boosting_out_of_range_is_refused(change, message, space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        GradientBoosting(space, FeatureEncoder(space, features=["graph"]), **{**TREES, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [({"length": 0.0}, "length is 0.0"), ({"linear": -1.0}, "linear is -1.0"), ({"noise": 0.0}, "noise is 0.0")],
)
def test_a_gaussian_process_out_of_range_is_refused(change, message, space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        GaussianProcess(
            space, FeatureEncoder(space, features=["graph"]), **{"length": 1.0, "linear": 0.5, "noise": 0.1, **change}
        )
