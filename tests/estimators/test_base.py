"""What every estimator does, whatever it learns."""

from __future__ import annotations

import numpy as np
import pytest
from emprox import OPTIONS, Scaled

from nas.errors import UserError
from nas.estimators import EmProx, Ridge
from nas.types import Batch, Features


def test_what_features_cost_is_charged_to_the_next_prediction_and_once(space, cells) -> None:
    known, values, queries = cells

    class Costly(Scaled):
        def embed(self, batch: Batch) -> Features:
            return Features(super().embed(batch).values, np.full(len(batch), 2.0))

    encoder = Costly(space)
    estimator = EmProx(space, encoder, **OPTIONS)
    estimator.fit(space.batch(known), values)
    assert estimator.predict(space.batch(queries)).seconds == 2.0 * sum(encoder.embedded)
    assert estimator.predict(space.batch(queries)).seconds == 0


def test_of_no_networks_there_are_no_estimates(space, cells) -> None:
    for estimator in (EmProx(space, Scaled(space), **OPTIONS), Ridge(space, alpha=1.0)):
        estimator.fit(space.batch(cells[0]), cells[1])
        nothing = estimator.predict(space.batch(cells[0][:0]))
        assert nothing.mean.shape == (0,)
        assert (nothing.std is not None) == estimator.gives_std
        assert nothing.std is None or nothing.std.shape == (0,)


def test_values_that_are_not_one_finite_number_for_each_network_are_refused(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    for wrong in (values[:59], values[:, None], np.append(values[1:], np.nan)):
        with pytest.raises(UserError, match=r"^values must be 60 finite numbers, one per architecture$"):
            estimator.fit(space.batch(known), wrong)
    with pytest.raises(RuntimeError, match=r"^predict\(\) was called without calling fit\(\)$"):
        estimator.predict(space.batch(queries))


def test_to_be_told_the_same_again_costs_nothing_and_other_values_are_learnt(space, cells, monkeypatch) -> None:
    known, values, queries = cells
    fits, fit = [], EmProx._fit
    monkeypatch.setattr(EmProx, "_fit", lambda self, *told: fits.append(len(told[0])) or fit(self, *told))
    estimator, fresh = (EmProx(space, Scaled(space), **OPTIONS) for _ in range(2))
    for some in (values, values, values[::-1]):
        estimator.fit(space.batch(known), some)
    assert fits == [60, 60]
    fresh.fit(space.batch(known), values[::-1])
    found, expected = (one.predict(space.batch(queries)).mean for one in (estimator, fresh))
    assert (found == expected).all()


def test_two_networks_are_enough_and_one_is_not(space, cells) -> None:
    known, values, queries = cells
    estimator = EmProx(space, Scaled(space), **OPTIONS)
    with pytest.raises(UserError, match="EmProx needs 2 known architectures, got 1"):
        estimator.fit(space.batch(known[:1]), values[:1])
    estimator.fit(space.batch(known[:2]), values[:2])
    assert np.isfinite(estimator.predict(space.batch(queries)).std).all()
