from __future__ import annotations

import numpy as np
import pytest

from nas.encoders import FeatureEncoder
from nas.errors import UserError
from nas.graphs.features import graph_features
from nas.spaces import NB101


def test_sets_stand_side_by_side_in_the_order_named(space: NB101) -> None:
    archs = space.sample(50, np.random.default_rng(0))
    one_hot, graph = space.one_hot(archs), graph_features(space.graphs(archs))
    assert (
        FeatureEncoder(space, features=["one_hot", "graph"]).embed(space.batch(archs)).values
        == np.hstack([one_hot, graph])
    ).all()


def test_scaled_columns_have_mean_0_and_deviation_1_over_the_space(small_space: NB101) -> None:
    encoder = FeatureEncoder(small_space, features=["graph", "walk"], cells=20000)
    embedded = encoder.embed(small_space.batch(small_space.enumerate())).values
    assert embedded.mean(axis=0) == pytest.approx(0, abs=0.1)
    assert embedded.std(axis=0) == pytest.approx(1, abs=0.2)


def test_the_scale_is_of_the_space_not_of_the_query(space: NB101) -> None:
    batch = space.batch(space.sample(50, np.random.default_rng(0)))
    first, second = (FeatureEncoder(space, features=["graph"], cells=500) for _ in range(2))
    assert (first.embed(batch).values[:10] == second.embed(batch.take(slice(10))).values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"features": ["graph", "size"]},
            r"^features\[1\] is 'size', must be graph, walk, signal, subtree, path or one_hot$",
        ),
        ({"features": []}, r"^features is \[\], must not be empty$"),
        ({"features": "size"}, r"^features is 'size', must be a list of values: features=\[size\]$"),
        ({"features": ["graph"], "cells": -1}, "cells is -1"),
    ],
)
def test_what_cannot_be_is_refused(options, message, space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        FeatureEncoder(space, **options)
