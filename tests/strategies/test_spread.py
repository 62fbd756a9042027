"""The first candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import Mirror

from nas._config import build, composed
from nas.networks import LogSize, skeleton_of
from nas.spaces import NB101, NB201
from nas.strategies import BayesianOptimisation, RandomSearch, Spread


@pytest.mark.parametrize("space", [NB101(), NB201()], ids=["nb101", "nb201"])
def test_any_architecture_has_a_first_candidate_nearer_than_random_ones_are(space) -> None:
    encoder = Mirror(space)
    anywhere = encoder.embed(space.batch(space.sample(500, np.random.default_rng(99)))).values

    def distance(strategy, seed: int) -> float:
        points = encoder.embed(strategy.ask(10, np.random.default_rng(seed)).batch).values
        return float((((anywhere[:, None] - points) ** 2).sum(axis=2)).min(axis=1).mean())

    spread, random = (
        np.array([distance(strategy, seed) for seed in range(10)])
        for strategy in (Spread(space, encoder, larger=1.0), RandomSearch(space))
    )
    assert spread.mean() < random.mean() - 3 * (spread - random).std(ddof=1) / len(spread) ** 0.5


def test_first_candidates_are_of_the_larger_part(space) -> None:
    size = LogSize(space)
    sample = size(space.batch(space.sample(4000, np.random.default_rng(1))))
    for larger in (0.5, 0.1):
        asked = Spread(space, Mirror(space), larger=larger).ask(20, np.random.default_rng(0))
        assert len(np.unique(asked.batch.keys)) == 20
        assert size(asked.batch).min() > np.quantile(sample, 1 - larger) - 0.2
        assert set(asked.origin) == {"spread"}


def test_sizes_are_the_logarithms_of_parameters_in_deviations(space) -> None:
    size, batch = LogSize(space), space.batch(space.sample(2000, np.random.default_rng(3)))
    logarithms = np.log(skeleton_of(space)().parameters(batch.graphs))
    assert np.corrcoef(size(batch), logarithms)[0, 1] == pytest.approx(1)
    assert size(batch).mean() == pytest.approx(0, abs=0.1)
    assert size(batch).std() == pytest.approx(1, abs=0.1)


def test_rows_of_a_table_have_no_sizes(own_table: Path) -> None:
    node = composed(["space=custom", f"space.path={own_table}", "space.value=valid", "space.test=test"])["space"]
    space = build(node, "space")
    size, batch = LogSize(space), space.batch(space.enumerate())
    assert not size.known
    assert (size(batch) == 0).all()
    asked = Spread(space).ask(5, np.random.default_rng(0))
    assert len(np.unique(asked.batch.keys)) == 5


def test_where_the_space_is_small_all_of_it_is_proposed() -> None:
    space = NB101(max_vertices=3)
    everything = space.batch(space.enumerate())
    asked = Spread(space).ask(1000, np.random.default_rng(0))
    assert set(asked.batch.keys.tolist()) == set(everything.keys.tolist())


def test_the_start_proposes_until_a_trial_is_told(space) -> None:
    strategy = BayesianOptimisation(RandomSearch(space), Spread(space, Mirror(space)))
    rng = np.random.default_rng(0)
    first = strategy.ask(5, rng)
    assert set(first.origin) == {"spread"}
    strategy.tell(first.batch, np.array([np.nan] * 5))  # failed, and known nevertheless
    second = strategy.ask(50, rng)
    assert set(second.origin) == {"random"}
    assert not np.isin(second.batch.keys, first.batch.keys).any()
