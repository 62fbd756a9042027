from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy

from nas.encoders import SequenceEncoder
from nas.errors import UserError
from nas.estimators import NAO, NearestNeighbours, PublishedEmProx
from nas.spaces import NB101

OPTIONS = {
    "width": 16, "epochs": 3, "batch": 50, "learning_rate": 1e-3, "weight_decay": 1e-4, "dropout": 0.1, "clip": 5.0,
    "seed": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def cells(small_space: NB101):
    archs = small_space.unique(small_space.sample(400, np.random.default_rng(0)))
    archs = archs[np.random.default_rng(1).permutation(len(archs))]
    return archs[:200], accuracy(small_space, archs[:200]), archs[200:]


def test_published_emprox_is_nearest_neighbours_of_an_encoder_that_saw_the_labelled_cells(small_space, cells) -> None:
    known, values, queries = cells
    published = PublishedEmProx(small_space, SequenceEncoder(small_space, **OPTIONS), k=10, power=1.0)
    for n in (50, 200):  # the encoder of the second fit knows nothing of the first
        published.fit(small_space.batch(known[:n]), values[:n])
    encoder = SequenceEncoder(small_space, **OPTIONS)
    encoder.learn(small_space.batch(known))
    reference = NearestNeighbours(small_space, encoder, k=10, power=1.0)
    reference.fit(small_space.batch(known), values)
    assert (
        published.predict(small_space.batch(queries)).mean == reference.predict(small_space.batch(queries)).mean
    ).all()


def test_nao_learns_in_the_unit_of_the_values(small_space, cells) -> None:
    known, _, queries = cells
    values, truth = (0.5 + small_space.graphs(some).adjacency.sum(axis=(1, 2)) / 50 for some in (known, queries))
    estimator = NAO(small_space, SequenceEncoder(small_space, **{**OPTIONS, "epochs": 40, "learning_rate": 5e-3}), 0.9)
    estimator.fit(small_space.batch(known), values)
    mean = estimator.predict(small_space.batch(queries)).mean
    assert ((mean >= values.min()) & (mean <= values.max())).all()
    assert np.corrcoef(mean, truth)[0, 1] > 0.7


def test_nao_estimates_equal_values_as_that_value_at_most_a_unit_off(small_space, cells) -> None:
    known, _, queries = cells
    estimator = NAO(small_space, SequenceEncoder(small_space, **OPTIONS), share=1.0)
    estimator.fit(small_space.batch(known), np.full(len(known), 0.9))
    assert np.isfinite(estimator.predict(small_space.batch(queries)).mean).all()
    with pytest.raises(UserError, match="share is 0"):
        NAO(small_space, SequenceEncoder(small_space, **OPTIONS), share=0.0)
