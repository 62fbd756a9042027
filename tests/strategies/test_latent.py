from __future__ import annotations

import numpy as np
import pytest
from helpers import Mirror, accuracy

from nas.errors import UserError
from nas.estimators import NoEstimator
from nas.spaces import NB101
from nas.strategies import LatentAscent
from nas.types import Batch, Prediction


class Linear(NoEstimator):
    """An estimate that is linear in the embedding, and so has a known gradient."""

    def __init__(self, space: NB101, encoder: Mirror) -> None:
        self.encoder = encoder
        columns = encoder.embed(space.batch(space.enumerate()[:1])).values.shape[1]
        self.slope = np.random.default_rng(3).normal(size=columns)

    def predict(self, batch: Batch) -> Prediction:
        return Prediction(self.encoder.embed(batch).values @ self.slope)


def ascent(space: NB101, estimator, **options) -> LatentAscent:
    options = {"parents": 5, "samples": 100, "reach": 2.0, **options}
    strategy = LatentAscent(space, Mirror(space), **options)
    archs = space.unique(space.sample(40, np.random.default_rng(0)))
    strategy.tell(space.batch(archs), accuracy(space, archs))
    return strategy


def test_candidates_lie_uphill(small_space: NB101) -> None:
    estimator = Linear(small_space, Mirror(small_space))
    strategy = ascent(small_space, estimator)
    proposal = strategy.propose(50, np.random.default_rng(0), estimator)
    parents = estimator.predict(strategy.best(5)).mean
    assert set(proposal.origin) == {"ascent"}
    assert estimator.predict(proposal.batch).mean.mean() > parents.mean() + 1


def test_gradients_are_those_of_the_estimate_where_it_is_linear(small_space: NB101) -> None:
    estimator = Linear(small_space, Mirror(small_space))
    strategy = ascent(small_space, estimator, samples=300)
    parents = strategy.best(5)
    starts = estimator.encoder.embed(parents).values.astype(float)
    for gradient in strategy._gradients(parents, starts, estimator, np.random.default_rng(0)):
        moved = np.abs(gradient) > 1e-9  # directions in which nothing near differs have no slope
        assert np.corrcoef(gradient[moved], estimator.slope[moved])[0, 1] > 0.8


def test_without_estimates_candidates_are_random(small_space: NB101) -> None:
    none = NoEstimator(small_space)
    for surrogate in (None, none):
        proposal = ascent(small_space, none).ask(20, np.random.default_rng(0), None, surrogate)
        assert set(proposal.origin) == {"random"}


@pytest.mark.parametrize(("name", "value"), [("parents", 0), ("samples", 1), ("reach", 0.0)])
def test_numbers_out_of_range_are_refused(name: str, value: float, small_space: NB101) -> None:
    with pytest.raises(UserError, match=rf"^{name} is {value}, must be"):
        ascent(small_space, NoEstimator(small_space), **{name: value})
