from __future__ import annotations

import numpy as np
import pytest
from helpers import accuracy
from numpy.typing import NDArray

from nas.encoders import SequenceEncoder
from nas.errors import UserError
from nas.estimators import NearestNeighbours
from nas.spaces import NB101
from nas.types import Batch, Features


class OneHot:
    """A stand-in for a trained encoder, whose distances can be computed by hand."""

    def __init__(self, space: NB101) -> None:
        self.space = space
        self.embedded: list[int] = []

    def prepare(self) -> float:
        return 0.0

    def embed(self, batch: Batch) -> Features:
        self.embedded.append(len(batch))
        return Features.free(batch.one_hot())


@pytest.fixture
def cells(space: NB101) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.uint8]]:
    archs = space.unique(space.sample(140, np.random.default_rng(0)))
    archs = archs[np.random.default_rng(1).permutation(len(archs))]
    return archs[:60], accuracy(space, archs[:60]), archs[60:]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_estimate_is_the_weighted_mean_of_the_nearest(power, space, cells) -> None:
    known, values, queries = cells
    estimator = NearestNeighbours(space, OneHot(space), k=7, power=power)
    estimator.fit(space.batch(known), values)
    prediction = estimator.predict(space.batch(queries))
    x, y = space.one_hot(queries).astype(float), space.one_hot(known).astype(float)
    distances = np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2))
    for row, distance in enumerate(distances):
        radius = np.sort(distance)[6]
        inside = np.flatnonzero(distance < radius)
        border = values[np.isclose(distance, radius)]  # which of the equally far ones is taken is FAISS's choice
        room = 7 - len(inside)
        weight = distance[inside] ** -power
        low, high = (
            ((weight * values[inside]).sum() + chosen.sum() * radius**-power) / (weight.sum() + room * radius**-power)
            for chosen in (np.sort(border)[:room], np.sort(border)[-room:])
        )
        assert low - 1e-9 <= prediction.mean[row] <= high + 1e-9
    assert (prediction.std > 0).all()


def test_std_is_the_weighted_spread_of_the_neighbours(space, cells) -> None:
    known, values, queries = cells
    estimator = NearestNeighbours(space, OneHot(space), k=60, power=1.0)  # all known ones: no doubt about which
    estimator.fit(space.batch(known), values)
    prediction = estimator.predict(space.batch(queries))
    distances = np.sqrt(((space.one_hot(queries)[:, None] - space.one_hot(known)[None]) ** 2).sum(axis=2))
    weights = 1 / distances / (1 / distances).sum(axis=1, keepdims=True)
    mean = weights @ values
    assert prediction.mean == pytest.approx(mean, rel=1e-6)
    assert prediction.std == pytest.approx(np.sqrt((weights * (values - mean[:, None]) ** 2).sum(axis=1)), rel=1e-4)


def test_a_known_network_gets_its_value_whatever_its_form(space, cells) -> None:
    known, values, _ = cells
    estimator = NearestNeighbours(space, OneHot(space), k=5, power=1.0)
    estimator.fit(space.batch(known), values)
    prediction = estimator.predict(space.batch(known[::-1]))
    assert (prediction.mean == values[::-1]).all()
    assert (prediction.std == 0).all()


def test_distinct_networks_at_distance_zero_share_the_mean_and_nothing_is_nan(space, cells) -> None:
    known, values, queries = cells

    class Constant(OneHot):
        def embed(self, batch: Batch) -> Features:
            return Features.free(np.ones((len(batch), 4), dtype=np.float32))

    estimator = NearestNeighbours(space, Constant(space), k=60, power=1.0)
    estimator.fit(space.batch(known), values)
    assert estimator.predict(space.batch(queries)).mean == pytest.approx(values.mean())


def test_a_later_fit_embeds_only_what_is_new_and_agrees_with_a_first_fit(space, cells) -> None:
    known, values, queries = cells
    encoder = OneHot(space)
    growing = NearestNeighbours(space, encoder, k=10, power=1.0)
    for n in (20, 20, 45, 60):
        growing.fit(space.batch(known[:n]), values[:n])
    assert encoder.embedded == [20, 25, 15]
    whole = NearestNeighbours(space, OneHot(space), k=10, power=1.0)
    whole.fit(space.batch(known), values)
    assert growing.predict(space.batch(queries)).mean == pytest.approx(whole.predict(space.batch(queries)).mean)
    growing.fit(space.batch(known[30:]), values[30:])  # other trials: it must forget
    whole = NearestNeighbours(space, OneHot(space), k=10, power=1.0)
    whole.fit(space.batch(known[30:]), values[30:])
    assert growing.predict(space.batch(queries)).mean == pytest.approx(whole.predict(space.batch(queries)).mean)


def test_neighbours_are_distinct_networks(space, cells) -> None:
    """The same network told ten times is one neighbour, with its mean value."""
    known, values, queries = cells
    repeated = np.concatenate([known, np.repeat(known[:1], 9, axis=0)])
    noisy = np.concatenate([values, np.full(9, 0.5)])
    estimator = NearestNeighbours(space, OneHot(space), k=60, power=1.0)
    estimator.fit(space.batch(repeated), noisy)
    values = np.concatenate([[(values[0] + 4.5) / 10], values[1:]])
    reference = NearestNeighbours(space, OneHot(space), k=60, power=1.0)
    reference.fit(space.batch(known), values)
    assert estimator.predict(space.batch(queries)).mean == pytest.approx(reference.predict(space.batch(queries)).mean)


def test_k_above_what_is_known_is_refused(space, cells) -> None:
    estimator = NearestNeighbours(space, OneHot(space), k=61, power=1.0)
    with pytest.raises(UserError, match="NearestNeighbours needs 61 known architectures, got 60"):
        estimator.fit(space.batch(cells[0]), cells[1])


@pytest.mark.parametrize(("k", "power", "message"), [(0, 1.0, "^k is 0"), (3, -1.0, "^power is -1.0")])
def test_numbers_out_of_range_are_refused(k, power, message, space) -> None:
    with pytest.raises(UserError, match=message):
        NearestNeighbours(space, OneHot(space), k, power)


def test_the_published_encoder_beats_chance_on_the_real_table(real_table) -> None:
    from scipy.stats import kendalltau

    from nas.benchmarks.table import read_table

    space = NB101()
    columns = read_table(real_table, space).columns
    rng = np.random.default_rng(0)
    rows = rng.choice(len(columns.archs), size=1424, replace=False)
    encoder = SequenceEncoder(
        space, width=32, cells=2000, epochs=2, batch=100, learning_rate=1e-3, weight_decay=1e-4, dropout=0.1,
        clip=5.0, seed=0, device="cpu",
    )  # fmt: skip
    estimator = NearestNeighbours(space, encoder, k=10, power=1.0)
    batch = space.batch(columns.archs[rows])
    estimator.fit(batch.take(slice(424)), columns.test[rows[:424]])
    assert kendalltau(estimator.predict(batch.take(slice(424, None))).mean, columns.test[rows[424:]]).statistic > 0.1
