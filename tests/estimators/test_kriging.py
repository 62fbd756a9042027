"""Kriging against its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from emprox import covariance

from nas.estimators.kriging import AllKnown, Prior, likeliest


def test_the_likeliest_of_many_noises_is_that_of_the_closed_form() -> None:
    """At the best scale: log(y' K**-1 y) n / 2 + log|K| / 2 is least."""
    rng = np.random.default_rng(0)
    known, scores = rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=12)
    noises = np.geomspace(0.01, 10, 2000).tolist()

    def surprise(noise: float) -> float:
        prior = covariance(known.astype(float), known.astype(float)) + noise * np.eye(12)
        return 6 * np.log(scores @ np.linalg.solve(prior, scores)) + np.linalg.slogdet(prior)[1] / 2

    best = min(noises, key=surprise)
    assert noises[0] < best < noises[-1]
    assert likeliest(Prior(1.4, 0.5, 0.03), noises, known, scores)[0] == Prior(1.4, 0.5, best)
    assert likeliest(Prior(1.4, 0.5, 0.03), [0.01, best], known, scores)[0].noise == best


@pytest.mark.parametrize("rank", [5, 20])
def test_variances_along_few_directions_are_right_on_average(rank: int) -> None:
    rng = np.random.default_rng(0)
    known, anywhere = (rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 300))
    kriging = AllKnown(Prior(1.4, 0.5, 0.1), known, rng.normal(size=60), rank, anywhere.astype(float))
    variances = kriging.estimate(anywhere)[1]
    x, q = known.astype(float), anywhere.astype(float)
    prior, shared = covariance(x, x) + 0.1 * np.eye(60), covariance(q, x)
    own = np.diag(covariance(q, q)) + 0.1
    assert variances.mean() == pytest.approx((own - (shared @ np.linalg.inv(prior) * shared).sum(axis=1)).mean())
    lengths, directions = (part[..., -rank:] for part in np.linalg.eigh(prior))
    rough = own - ((shared @ directions) ** 2 / lengths).sum(axis=1)
    assert variances - variances.mean() == pytest.approx(rough - rough.mean(), abs=1e-4)


def test_proximities_far_from_the_origin_stay_within_one() -> None:
    points = (1e4 + np.random.default_rng(0).normal(size=(50, 8))).astype(np.float32)
    proximity = Prior(1.4, 0.5, 0.1).proximity(points, points)
    assert (proximity > 0).all()
    assert (proximity <= 1).all()
