"""Kriging against its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from emprox import covariance

from nas.estimators.kriging import Kriging
from nas.estimators.prior import Prior, likeliest


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
    assert likeliest([Prior(1.4, 0.5, 0.03)], noises, known, scores)[0] == Prior(1.4, 0.5, best)
    assert likeliest([Prior(1.4, 0.5, 0.03)], [0.01, best], known, scores)[0].noise == best


@pytest.mark.parametrize("rank", [5, 20])
def test_variances_along_few_directions_are_right_on_average(rank: int) -> None:
    rng = np.random.default_rng(0)
    known, anywhere = (rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 300))
    numbers = {"points": 60, "k": 1, "rank": rank, "anywhere": anywhere.astype(float)}
    kriging = Kriging(Prior(1.4, 0.5, 0.1), known, rng.normal(size=60), **numbers)
    variances = (kriging.estimate(anywhere)[1] / kriging._near[0].scale) ** 2
    x, q = known.astype(float), anywhere.astype(float)
    prior, shared = covariance(x, x) + 0.1 * np.eye(60), covariance(q, x)
    own = np.diag(covariance(q, q)) + 0.1
    assert variances.mean() == pytest.approx((own - (shared @ np.linalg.inv(prior) * shared).sum(axis=1)).mean())
    lengths, directions = (part[..., -rank:] for part in np.linalg.eigh(prior))
    rough = own - ((shared @ directions) ** 2 / lengths).sum(axis=1)
    assert variances - variances.mean() == pytest.approx(rough - rough.mean(), abs=1e-4)


def test_the_likeliest_of_several_lengths_is_taken() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(200, 2)).astype(np.float32)
    priors = [Prior(length, 0.5, 0.1) for length in (0.1, 1.0, 10.0)]
    for prior in priors:
        x = known.astype(float)
        scores = np.linalg.cholesky(prior.covariance(x, x) + 0.1 * np.eye(200)) @ rng.normal(size=200)
        assert likeliest(priors, [0.1], known, scores)[0] == prior


@pytest.mark.parametrize("deviation", [0.1, 0.5, 100.0])
def test_a_slope_is_the_posterior_mean_of_its_coefficient(deviation: float) -> None:
    """Of scores that have the covariance, times a scale, and a multiple of what is told along: generalised least
    squares with one row more, which says that the slope is .3 within the deviation.
    """
    rng = np.random.default_rng(0)
    known, scores = rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=30)
    along = rng.normal(size=30)
    inverse = np.linalg.inv(covariance(known.astype(float), known.astype(float)) + 0.1 * np.eye(30))
    left = scores - 0.3 * along
    scale = left @ inverse @ left / 30
    rows = np.vstack([np.linalg.cholesky(inverse / scale).T @ along[:, None], [[1 / deviation]]])
    right = np.concatenate([np.linalg.cholesky(inverse / scale).T @ scores, [0.3 / deviation]])
    slope = Prior(1.4, 0.5, 0.1).slope(known, scores, along, 0.3, deviation)
    assert slope == pytest.approx(np.linalg.lstsq(rows, right)[0][0], rel=1e-4)


def _points(n: int, *more: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 4)).astype(np.float32) for size in (n, *more)]


@pytest.fixture
def two_scales(monkeypatch):
    """300 known points in 10 neighbourhoods of 50, and 40 inducing points; what they see of scores, by closed forms."""
    monkeypatch.setattr("nas.estimators.kriging._EACH", 30)
    known, queries = _points(300, 80)
    prior, scores = Prior(1.4, 0.5, 0.1), np.sin(known[:, 0]) + np.random.default_rng(1).normal(0, 0.3, 300)
    kriging = Kriging(prior, known, scores, points=40, k=50, rank=9, anywhere=known)
    x, u = known.astype(float), kriging._inducing.astype(float)
    centres = x[::30]
    assert len(u) == 40

    def estimates(point, kept=slice(None), home=None):
        """Mean and variance at a point, given the scores of those that are kept."""
        home = home if home is not None else np.argmin(np.linalg.norm(centres - point, axis=1))
        near = np.argsort(np.linalg.norm(x - centres[home], axis=1), kind="stable")[:50]
        rows = np.arange(300)[kept]
        near = near[np.isin(near, rows)]
        q = point[None].astype(float)
        through = np.linalg.inv(covariance(u, u) + 1e-5 * np.eye(40))
        large = np.linalg.solve(
            0.1 * (covariance(u, u) + 1e-5 * np.eye(40)) + covariance(u, x[rows]) @ covariance(x[rows], u),
            covariance(u, x[rows]) @ scores[rows],
        )

        def left(a, b):
            return covariance(a, b) - covariance(a, u) @ through @ covariance(u, b)

        residuals = scores[near] - covariance(x[near], u) @ large
        noise = 0.1 * np.eye(len(near))
        mean = covariance(q, u) @ large + left(q, x[near]) @ np.linalg.solve(left(x[near], x[near]) + noise, residuals)
        shared = covariance(x[near], q)
        gain = np.linalg.solve(covariance(x[near], x[near]) + noise, shared)
        return mean[0], covariance(q, q)[0, 0] + 0.1 - (shared * gain).sum()

    return kriging, known, queries, scores, estimates


def test_beyond_its_points_the_residual_of_the_nearest_is_added(two_scales) -> None:
    kriging, _, queries, _, estimates = two_scales
    means, deviations = kriging.estimate(queries)
    expected = np.array([estimates(query) for query in queries])
    scales = np.array([one.scale for one in kriging._near])[kriging._homes(queries)[0]]
    assert means == pytest.approx(expected[:, 0], abs=2e-3)
    assert (deviations / scales) ** 2 == pytest.approx(expected[:, 1], abs=1e-3)


def _scale(errors) -> float:
    return np.mean(np.quantile(np.abs(errors), [0.6827, 0.9545]) / [1, 2])


def test_deviations_are_scaled_by_leaving_known_points_out(two_scales) -> None:
    """Each with all that follows from its score left out: in the inducing points' means, and in its neighbourhood."""
    kriging, known, _, scores, estimates = two_scales
    errors = []
    for row in range(300):
        centres = known[::30]
        home = np.argmin(np.linalg.norm(centres - known[row], axis=1))
        near = np.argsort(np.linalg.norm(known - centres[home], axis=1))[:50]
        if row in near:
            mean, variance = estimates(known[row], np.delete(np.arange(300), row), home)
            errors.append((scores[row] - mean) / variance**0.5 / kriging._near[home].scale)
    assert _scale(errors) == pytest.approx(1, rel=5e-3)


def test_deviations_are_wider_in_a_neighbourhood_whose_scores_are_less_alike(monkeypatch) -> None:
    monkeypatch.setattr("nas.estimators.kriging._EACH", 100)
    [known] = _points(600)
    rough = known[:, 0] > 0
    scores = known[:, 1] + np.where(rough, 1.0, 0.1) * np.random.default_rng(1).normal(size=600)
    kriging = Kriging(Prior(1.4, 0.5, 0.1), known, scores, points=50, k=60, rank=9, anywhere=known)
    deviations = kriging.estimate(known)[1]
    assert np.median(deviations[rough]) > 1.5 * np.median(deviations[~rough])


def test_points_that_join_are_known_as_those_from_the_beginning() -> None:
    """Where all count, exactly."""
    known, more, queries = _points(50, 7, 30)
    scores = np.random.default_rng(1).normal(size=57)
    numbers = {"points": 100, "k": 1, "rank": 100, "anywhere": queries}
    prior = Prior(1.4, 0.5, 0.1)
    first = Kriging(prior, known, scores[:50], **numbers)
    before = first.estimate(queries)
    grown = first.joined_by(more, scores[50:])
    whole = Kriging(prior, np.concatenate([known, more]), scores, **numbers)
    scale = grown._near[0].scale / whole._near[0].scale  # which stays as it was
    for ours, theirs, factor in zip(grown.estimate(queries), whole.estimate(queries), (1, scale), strict=True):
        assert ours == pytest.approx(factor * theirs, abs=1e-4)
    for ours, theirs in zip(first.estimate(queries), before, strict=True):
        assert (ours == theirs).all()


def test_points_that_join_a_neighbourhood_are_heard_there(two_scales) -> None:
    kriging, known, queries, _, _ = two_scales
    means, deviations = kriging.estimate(queries)
    scores = means + 1
    grown_means, grown_deviations = kriging.joined_by(queries, scores).estimate(queries)
    assert (grown_means > means).all()
    assert np.abs(scores - grown_means).mean() < 0.5
    assert (grown_deviations < deviations).all()
    far = known[:100] + np.float32(100)
    assert kriging.joined_by(queries[:1], scores[:1]).estimate(far)[0] == pytest.approx(
        kriging.estimate(far)[0], abs=0.2
    )


def test_proximities_far_from_the_origin_stay_within_one() -> None:
    points = (1e4 + np.random.default_rng(0).normal(size=(50, 8))).astype(np.float32)
    proximity = Prior(1.4, 0.5, 0.1).proximity(points, points)
    assert (proximity > 0).all()
    assert (proximity <= 1).all()
