"""What EmProx believes: of sizes, of noise, and of networks whose value is known."""

from __future__ import annotations

import numpy as np
import pytest
from emprox import OPTIONS, Scaled, covariance

from nas.estimators import EmProx
from nas.estimators.target import RankNormal
from nas.networks import LogSize


@pytest.mark.parametrize("sign", [1, -1])
def test_the_values_say_how_much_size_counts(sign, space, cells) -> None:
    """Where they rise or fall with size it counts as they say, the less known the nearer to what was expected."""
    known, _, _ = cells
    sizes = LogSize(space)(space.batch(known))
    values = sign * sizes + np.random.default_rng(0).normal(0, 0.3, 60)

    def slope(n: int, doubt: float) -> float:
        estimator = EmProx(space, Scaled(space), **{**OPTIONS, "size": 0.3, "doubt": doubt})
        estimator.fit(space.batch(known[:n]), values[:n])
        return estimator._slope

    assert slope(60, 0.0) == 0.3
    assert sign * slope(60, 10.0) > 0.2
    assert abs(slope(10, 0.1) - 0.3) < abs(slope(60, 0.1) - 0.3) < abs(slope(60, 1.0) - 0.3)


def test_the_size_prior_is_added_to_what_the_values_leave(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **{**OPTIONS, "size": 0.3, "doubt": 0.0})
    estimator.fit(space.batch(known), values)
    x, q = (Scaled(space).embed(space.batch(archs)).values.astype(float) for archs in (known, queries))
    target, log_size = RankNormal(values), LogSize(space)
    left = target.scores - 0.3 * log_size(space.batch(known))
    scores = covariance(q, x) @ np.linalg.solve(covariance(x, x) + 0.1 * np.eye(60), left)
    scores += 0.3 * log_size(space.batch(queries))
    assert estimator.predict(space.batch(queries)).mean == pytest.approx(target.inverse(scores), abs=1e-5)


def test_a_smoother_one_believes_in_more_noise_and_embeds_nothing_again(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    estimator.fit(space.batch(known), values)
    before = estimator.predict(space.batch(queries))
    embedded = len(estimator.encoder.embedded)
    smoother = estimator.smoother(10.0)
    smoother.fit(space.batch(known), values)
    smooth = smoother.predict(space.batch(queries))
    assert len(estimator.encoder.embedded) == embedded
    other = EmProx(space, Scaled(space), **{**OPTIONS, "noise": [10.0]})
    other.fit(space.batch(known), values)
    assert smooth.mean == pytest.approx(other.predict(space.batch(queries)).mean, abs=1e-6)
    assert smooth.mean.std() < before.mean.std()
    again = estimator.predict(space.batch(queries))
    assert (again.mean == before.mean).all()
    assert (again.std == before.std).all()


def test_the_posterior_of_a_known_network_is_not_its_value(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    estimator.fit(space.batch(known), values)
    x = Scaled(space).embed(space.batch(known)).values.astype(float)
    target = RankNormal(values)
    scores = covariance(x, x) @ np.linalg.solve(covariance(x, x) + 0.1 * np.eye(60), target.scores)
    believed = estimator.posterior(space.batch(known))
    assert believed.mean == pytest.approx(target.inverse(scores), abs=1e-5)
    assert (believed.std > 0).all()
    others = space.batch(queries)
    assert (estimator.posterior(others).mean == estimator.predict(others).mean).all()
